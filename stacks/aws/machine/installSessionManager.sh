#!/bin/bash
# First boot on EC2 with access by Session Manager: installs AWS's agent on images without it (Debian), and starts it.
# Usage: installSessionManager.sh REGION
set -euo pipefail
region=$1
version=3.3.4624.0
if ! systemctl cat amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service >/dev/null 2>&1; then
  deb=$(mktemp --suffix=.deb)
  curl -fsS --retry 5 --retry-all-errors -o "$deb" \
    "https://s3.$region.amazonaws.com/amazon-ssm-$region/$version/debian_amd64/amazon-ssm-agent.deb"
  found=$(dpkg-deb -f "$deb" Version)
  if [ "${found%-*}" != "$version" ]; then
    echo "the SSM agent from AWS has version $found, not $version, and was not installed" >&2
    exit 1
  fi
  dpkg -i "$deb"
  rm -f "$deb"
fi
systemctl enable --now amazon-ssm-agent.service 2>/dev/null ||
  systemctl enable --now snap.amazon-ssm-agent.amazon-ssm-agent.service
