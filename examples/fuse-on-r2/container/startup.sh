#!/bin/sh
set -e
mkdir -p /mnt/r2

R2_ENDPOINT="https://${R2_ACCOUNT_ID}.r2.cloudflarestorage.com"
export AWSACCESSKEYID="$AWS_ACCESS_KEY_ID" AWSSECRETACCESSKEY="$AWS_SECRET_ACCESS_KEY"
echo "Mounting bucket ${R2_BUCKET_NAME}..."
s3fs "$R2_BUCKET_NAME" /mnt/r2 -o url="$R2_ENDPOINT",use_path_request_style,nomixupload

echo "Contents of mounted bucket:"
ls -lah /mnt/r2
exec node /app/server.mjs
