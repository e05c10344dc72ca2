echo "The job runs. $MESSAGE"
