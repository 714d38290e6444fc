#!/bin/bash
# First boot on EC2 with access by Session Manager: installs AWS's agent on images without it (Debian), and starts it.
# Usage: installSessionManager.sh REGION
set -euo pipefail
region=$1
if ! systemctl cat amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service >/dev/null 2>&1; then
  deb=$(mktemp --suffix=.deb)
  curl -fsS --retry 5 --retry-all-errors -o "$deb" \
    "https://s3.$region.amazonaws.com/amazon-ssm-$region/latest/debian_amd64/amazon-ssm-agent.deb"
  dpkg -i "$deb"
  rm -f "$deb"
fi
systemctl enable --now amazon-ssm-agent.service 2>/dev/null ||
  systemctl enable --now snap.amazon-ssm-agent.amazon-ssm-agent.service
