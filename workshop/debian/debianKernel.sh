# shellcheck shell=bash
# How a kernel gets into a root, from whatever Debian suite has it. Sourced by the hooks that make the machines' images and
# the builder: both choose the version here, so that modules are built with the headers of the kernel that runs.

# download_kernel ROOT SUITE FOLDER PACKAGE... puts packages of one version, and what they depend on, into ROOT/FOLDER.
download_kernel() {
  local root=$1 suite=$2 folder=$3 package version
  local sources=$root/etc/apt/sources.list prefer=()
  shift 3
  cp "$sources" "$sources.baked"
  case $suite in
  *-backports)
    sed -n "s/ ${suite%-backports} / $suite /p" "$sources.baked" >>"$sources"
    # apt takes nothing that a backport depends on from there by itself.
    prefer=(-t "$suite")
    ;;
  *) grep -q " $suite " "$sources" || sed -n -E "s/ [a-z]+(-updates|-security)? / $suite\1 /p" "$sources.baked" >>"$sources" ;;
  esac
  rm -rf "${root:?}$folder"
  mkdir -p "$root$folder/partial"
  chroot "$root" apt-get -q update
  # The newest of the suite and its security and update archives; what it depends on is versioned exactly.
  version=$(chroot "$root" apt-cache madison "$1" |
    awk -F' *[|] *' -v suite="$suite" '$3 ~ " " suite "(-updates|-security)?/" { print $2 }' | sort -V | tail -n 1)
  test -n "$version"
  local wanted=()
  for package in "$@"; do wanted+=("$package=$version"); done
  chroot "$root" apt-get -q -y --no-install-recommends --download-only "${prefer[@]}" \
    -o "Dir::Cache::Archives=$folder" install "${wanted[@]}"
  mv "$sources.baked" "$sources"
}

# unpack ROOT DEB... unpacks packages that are below ROOT into it, without installing them.
unpack() {
  local root=$1 deb
  shift
  for deb in "$@"; do
    # Not dpkg-deb -x: where a package has ./lib, that puts a folder in place of the link /lib -> usr/lib.
    chroot "$root" dpkg-deb --fsys-tarfile "${deb#"$root"}" | tar -C "$root" --keep-directory-symlink -x
  done
}
