/** The Grafana that a lab gets: where its vendor has it, which key its repository is signed with, and which version. */
import type { VendorPackage } from "../../vendorPackage.ts";

/**
 * The fingerprint is the one that the vendor publishes at the repository's address; `gpg-full.key` has the older keys too,
 * which apt is told not to take.
 */
export const grafanaRelease: VendorPackage = {
  name: "grafana",
  version: "13.2.3",
  repository: "https://apt.grafana.com",
  suite: "stable",
  key: "gpg-full.key",
  fingerprint: "B53AE77BADB630A683046005963FA27710458545",
};
