"""The image as the last stage of the Dockerfile says it, put together without a container engine.

Reads the instructions of that stage, copies what they copy, and writes an OCI image layout, so that what
is measured and run is what a registry would hold.
"""

import gzip
import hashlib
import io
import json
import platform
import shlex
import shutil
import tarfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class Image:
    """Instructions of the last stage."""

    def __init__(self, dockerfile):
        text = dockerfile.read_text().replace("\\\n", " ")
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        last = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
        self.base = lines[last].split()[1]
        self.instructions = [line.split(maxsplit=1) for line in lines[last + 1 :]]

    def all(self, name):
        return [value for instruction, value in self.instructions if instruction == name]

    def one(self, name):
        (value,) = self.all(name)
        return value

    def user(self):
        user, group = self.one("USER").split(":")
        return int(user), int(group)

    def command(self, name):
        """An instruction in exec form."""
        return json.loads(self.one(name))

    def health(self):
        options, command = self.one("HEALTHCHECK").split("CMD", 1)
        return options.split(), json.loads(command)

    def labels(self):
        pairs = shlex.split(self.one("LABEL"))
        return dict(pair.split("=", 1) for pair in pairs)

    def assemble(self, root, built):
        """Copies into `root`; `built` has what comes from other stages, by its path there."""
        for copy in self.all("COPY"):
            *options, source, target = copy.split()
            origin = built[source] if options else REPOSITORY / source
            destination = root / target.lstrip("/")
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, destination)
            destination.chmod(0o555 if source.endswith("/portcullis") else 0o444)

    def config(self, layer):
        """The image's configuration, as the specification has it."""
        exposed = {f"{port}/tcp": {} for port in self.one("EXPOSE").split()}
        config = {
            "User": self.one("USER"),
            "Env": self.all("ENV"),
            "ExposedPorts": exposed,
            "Entrypoint": self.command("ENTRYPOINT"),
            "Cmd": self.command("CMD"),
            "Labels": self.labels(),
        }
        rootfs = {"type": "layers", "diff_ids": [digest(layer)]}
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        return {"architecture": machine, "os": "linux", "config": config, "rootfs": rootfs}

    def layout(self, root, folder):
        """Writes an OCI image layout; the bytes a registry holds and a node unpacks."""
        layer = archive(root)
        compressed = gzip.compress(layer, compresslevel=6, mtime=0)
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        size = 0

        def blob(media_type, content):
            nonlocal size
            size += len(content)
            name = digest(content)
            (blobs / name.removeprefix("sha256:")).write_bytes(content)
            return {"mediaType": media_type, "digest": name, "size": len(content)}

        oci = "application/vnd.oci.image"
        config = blob(f"{oci}.config.v1+json", json.dumps(self.config(layer)).encode())
        layers = [blob(f"{oci}.layer.v1.tar+gzip", compressed)]
        manifest = {"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json"}
        manifest |= {"config": config, "layers": layers}
        index = {"schemaVersion": 2}
        index["manifests"] = [blob(f"{oci}.manifest.v1+json", json.dumps(manifest).encode())]
        (folder / "index.json").write_text(json.dumps(index))
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return size, len(layer)


def archive(root):
    """One layer, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(root.rglob("*")):
            entry = tar.gettarinfo(path, path.relative_to(root))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if path.is_file():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)
    return buffer.getvalue()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()
