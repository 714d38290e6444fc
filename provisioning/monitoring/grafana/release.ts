/** The Grafana that a lab gets: its version, the vendor's repository, and the key that signs the repository. */
import type { VendorPackage } from "../../vendorPackage.ts";

/**
 * The vendor publishes the fingerprint at the repository's address. `gpg-full.key` also contains older keys, which apt does
 * not accept here.
 */
export const grafanaRelease: VendorPackage = {
  name: "grafana",
  version: "13.2.3",
  repository: "https://apt.grafana.com",
  suite: "stable",
  key: "gpg-full.key",
  fingerprint: "B53AE77BADB630A683046005963FA27710458545",
};
