const status = document.querySelector("#status");
try {
  const response = await fetch("/api/widgets");
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${response.statusText}`);
  const widgets = await response.json();
  for (const { id, name } of widgets) {
    const item = document.createElement("li");
    item.textContent = `${name} (ID: ${id})`;
    document.querySelector("#widgets").append(item);
  }
  status.textContent = widgets.length === 0 ? "No widgets found." : "";
} catch (error) {
  status.textContent = error.message;
}
