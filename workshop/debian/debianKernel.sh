# shellcheck shell=bash
# Functions that put a kernel of any Debian suite into a root. The hooks for the machines' images and for the builder
# source this file; both choose the version here, so that modules are built with the headers of the kernel that runs.

# download_kernel ROOT SUITE FOLDER PACKAGE... downloads the packages, all of one version, and their dependencies to
# ROOT/FOLDER.
download_kernel() {
  local root=$1 suite=$2 folder=$3 package version
  local sources=$root/etc/apt/sources.list prefer=()
  shift 3
  cp "$sources" "$sources.baked"
  case $suite in
  *-backports)
    sed -n "s/ ${suite%-backports} / $suite /p" "$sources.baked" >>"$sources"
    # Without this, apt does not take dependencies from the backports.
    prefer=(-t "$suite")
    ;;
  *) grep -q " $suite " "$sources" || sed -n -E "s/ [a-z]+(-updates|-security)? / $suite\1 /p" "$sources.baked" >>"$sources" ;;
  esac
  rm -rf "${root:?}$folder"
  mkdir -p "$root$folder/partial"
  chroot "$root" apt-get -q update
  # The newest version in the suite and in its security and update archives. Kernel packages depend on exact versions.
  version=$(chroot "$root" apt-cache madison "$1" |
    awk -F' *[|] *' -v suite="$suite" '$3 ~ " " suite "(-updates|-security)?/" { print $2 }' | sort -V | tail -n 1)
  test -n "$version"
  local wanted=()
  for package in "$@"; do wanted+=("$package=$version"); done
  chroot "$root" apt-get -q -y --no-install-recommends --download-only "${prefer[@]}" \
    -o "Dir::Cache::Archives=$folder" install "${wanted[@]}"
  mv "$sources.baked" "$sources"
}

# unpack ROOT DEB... unpacks package files, which are below ROOT, into ROOT without installing them.
unpack() {
  local root=$1 deb
  shift
  for deb in "$@"; do
    # dpkg-deb -x would replace the link /lib -> usr/lib by a directory if a package has ./lib.
    chroot "$root" dpkg-deb --fsys-tarfile "${deb#"$root"}" | tar -C "$root" --keep-directory-symlink -x
  done
}
