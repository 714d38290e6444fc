/** A package in its vendor's apt repository, not in Debian. */
export interface VendorPackage {
  readonly name: string;
  readonly version: string;
  /** Address of the repository, without a slash at its end. */
  readonly repository: string;
  readonly suite: string;
  /** The key that signs the repository: its file below the address, and its fingerprint, 40 hexadecimal digits. */
  readonly key: string;
  readonly fingerprint: string;
}
