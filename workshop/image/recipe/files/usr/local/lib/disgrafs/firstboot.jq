# Turns a cloud-config document into shell commands. It reads the keys hostname, users[].ssh_authorized_keys, ssh_keys,
# write_files and runcmd.
def text(path; mode): "install -D -m \(mode) /dev/null \(path | @sh); printf %s \(@sh) >\(path | @sh)";

(.hostname // empty | "echo \(@sh) >/etc/hostname; echo \(@sh) >/proc/sys/kernel/hostname"),
( .users // [] | .[] | objects
  | ((.ssh_authorized_keys // []) | map(. + "\n") | add // "") as $keys
  | "home=$(getent passwd \(.name | @sh) | cut -d: -f6); install -d -m 700 -o \(.name | @sh) \"$home/.ssh\"; printf %s \($keys | @sh) >>\"$home/.ssh/authorized_keys\"" ),
(.ssh_keys.ed25519_private // empty | text("/etc/ssh/ssh_host_ed25519_key"; "600")),
(.ssh_keys.ed25519_public // empty | . + "\n" | text("/etc/ssh/ssh_host_ed25519_key.pub"; "644")),
( .write_files // [] | .[]
  | . as $file
  | if .encoding == "b64"
    then "install -D -m \($file.permissions // "0644" | @sh) /dev/null \($file.path | @sh); printf %s \($file.content | @sh) | base64 -d >\($file.path | @sh)"
    else $file.content | text($file.path; $file.permissions // "0644" | @sh)
    end ),
(.runcmd // [] | .[] | if type == "array" then map(tostring | @sh) | join(" ") else . end)
