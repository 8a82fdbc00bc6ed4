#!/usr/bin/env python3
"""Holds what the image promises, without a container engine.

    check.py BINARY

Puts the last stage of the Dockerfile together around BINARY, measures it, and runs it as a runtime would:
in a root that holds nothing else and is read-only, as the image's user, without capabilities, with a
network of its own that has nothing but a name server, and a bundle server with TLS. Needs root for that;
elsewhere it says so and ends with 3.
"""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import neighbours
from image import REPOSITORY, Image

LIMIT = 30_000_000
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
PATIENCE = 20
POLICY = "package envoy.authz\n\ndefault allow := false\n"


def main():
    binary = Path(sys.argv[1]).resolve()
    if "--inside" in sys.argv:
        return inside(Path(sys.argv[3]))
    image = Image(REPOSITORY / "Dockerfile")
    held(image.base == "scratch", "nothing is below the last stage")
    elf = subprocess.run(["readelf", "-hldW", binary], capture_output=True, text=True, check=True).stdout
    held("INTERP" not in elf and "NEEDED" not in elf, "the binary is static")
    held("GNU_RELRO" in elf and "BIND_NOW" in elf, "what is relocated is read-only")
    # Of arm64 Rust makes no static position-independent programs.
    held(re.search(r"Type:\s+DYN|Machine:\s+AArch64", elf), "it is loaded at a random address")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        root = folder / "root"
        image.assemble(root, {"/out/portcullis": binary, AUTHORITIES: Path(AUTHORITIES)})
        compressed, unpacked = image.layout(root, folder / "layout")
        print(f"     {compressed / 1e6:.1f} MB in a registry, {unpacked / 1e6:.1f} MB on a node")
        held(compressed < LIMIT, f"it is below {LIMIT / 1e6:.0f} MB")
        if os.geteuid() != 0:
            print("not run: that needs root, for a root folder and a network of its own", file=sys.stderr)
            return 3
        alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        script = [sys.executable, __file__, str(binary), "--inside", str(folder)]
        return subprocess.run(alone + script, check=False).returncode


def inside(folder):
    """The rest, in namespaces of its own."""
    image, root = Image(REPOSITORY / "Dockerfile"), folder / "root"
    container = Container(image, root)
    neighbours.loopback_up()
    authority = neighbours.Authority(folder / "authority")
    with (root / AUTHORITIES.lstrip("/")).open("ab") as trusted:
        (root / AUTHORITIES.lstrip("/")).chmod(0o644)
        trusted.write(authority.pem())
    policy = folder / "policy"
    policy.mkdir()
    (policy / "policy.rego").write_text(POLICY)
    bundle = folder / "bundle.tar.gz"
    subprocess.run([root / "portcullis", "build", "-b", policy, "-o", bundle], check=True)
    neighbours.name_server()
    neighbours.bundle_server(authority, "bundles.example.test", bundle.read_bytes())
    for name in ["bundles", "untrusted"]:
        container.mount_file(f"config/{name}.yaml", configuration(f"https://{name}.example.test"))
    container.mount_file("etc/resolv.conf", "nameserver 127.0.0.1\n")
    container.close()

    _, probe = image.health()
    before = container.run(probe[1:])
    held(before.returncode == 1 and "cannot reach a gate" in before.stderr, "health fails before the start")
    serves(container, probe)
    refuses(container, probe)
    writes = container.run(["build", "-b", "/config", "-o", "/bundle.tar.gz"])
    held(writes.returncode == 1 and "Read-only file system" in writes.stderr, "nothing can be written")
    demo = container.run(["demo", "--once", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"])
    verdicts = [demo.stdout.count(verdict) for verdict in ("ALLOWED", "DENIED")]
    held(demo.returncode == 0 and verdicts == [4, 9], "the demo's requests are decided")
    return 0


def serves(container, probe):
    """A bundle comes over TLS from a server that is found by name and trusted as the system trusts."""
    start = time.monotonic()
    gate = container.start([*container.image.command("CMD"), "-c", "/config/bundles.yaml"])
    ready(gate)
    print(f"     ready after {(time.monotonic() - start) * 1000:.0f} ms, bundle and TLS included")
    status = Path(f"/proc/{gate.pid}/status").read_text()
    user = container.image.user()[0]
    held(re.search(rf"^Uid:(\s{user}){{4}}$", status, re.M), "it runs as the image's user")
    held(re.search(r"^CapEff:\s0+$", status, re.M), "it has no capabilities")
    after = container.run(probe[1:])
    held((after.returncode, after.stdout) == (0, "SERVING\n"), "the health check finds it serving")
    gate.send_signal(signal.SIGTERM)
    held(gate.wait(PATIENCE) == 0, "it ends when it is told to")


def refuses(container, probe):
    """The same server under a name that its certificate does not have."""
    gate = container.start(["run", "-c", "/config/untrusted.yaml"])
    for line in gate.stderr:
        if "invalid peer certificate" in line:
            break
    connection = http.client.HTTPConnection("127.0.0.1", 8282, timeout=PATIENCE)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    held(answer.status == 503 and b"bundle:main" in answer.read(), "an untrusted bundle server is refused")
    held(container.run(probe[1:]).returncode == 1, "the health check fails meanwhile")
    gate.kill()
    gate.wait()


class Container:
    """What a runtime makes of the image, with its hardening on."""

    def __init__(self, image, root):
        self.image, self.root = image, root
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "--bind", root, root], check=True)

    def mount_file(self, path, text):
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)

    def close(self):
        (self.root / "proc").mkdir()
        subprocess.run(["mount", "-t", "proc", "proc", self.root / "proc"], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind,nosuid,nodev", self.root], check=True)

    def start(self, arguments):
        user, group = self.image.user()

        def enter():
            os.chroot(self.root)
            os.chdir("/")
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)

        entrypoint = self.image.command("ENTRYPOINT")
        environment = dict(variable.split("=", 1) for variable in self.image.all("ENV"))
        pipe = subprocess.PIPE
        return subprocess.Popen([*entrypoint, *arguments], env=environment, preexec_fn=enter, text=True, stdout=pipe, stderr=pipe)

    def run(self, arguments):
        process = self.start(arguments)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def configuration(url):
    return f"""
services: {{bundles: {{url: {url}}}}}
bundles: {{main: {{service: bundles, resource: bundle.tar.gz}}}}
portcullis: {{shutdown: {{grace: 0s}}}}
"""


def ready(gate):
    """Waits until its admin port, where it is by default, says ready."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if gate.poll() is not None:
            break
        try:
            connection = http.client.HTTPConnection("127.0.0.1", 8282, timeout=1)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.001)
    gate.kill()
    sys.exit(f"not ready:\n{gate.stderr.read()}")


def held(holds, promise):
    print("ok  " if holds else "FAIL", promise)
    if not holds:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
