"""What the chart renders is what the server takes: its configuration by `check-config`, and the whole command by starting it.

The folders of the pod lie below a folder of this machine, ConfigMaps in the way the kubelet mounts them.
"""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.request

import chart

KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""
# What pods get from Secrets and the like.
ENVIRONMENT = {"REDACT_KEY": "0123456789abcdef0123456789abcdef", "POD_NAME": "gate-0"}

# Values that are worth a warning, on purpose.
WARNED = {"everything-extra": "dry-run", "kind": "is plain `http`"}


def server(container, *arguments):
    """The server with the environment of a container, and other arguments."""
    own = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
    return subprocess.Popen(
        [os.environ["PORTCULLIS"], *map(str, arguments)],
        env={**os.environ, **ENVIRONMENT, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def gate(name):
    """The container of the gate, in whichever way it is rendered."""
    for one in chart.objects(name):
        if one["kind"] in ("Deployment", "DaemonSet"):
            containers = one["spec"]["template"]["spec"]["containers"]
            return next(container for container in containers if container["name"] == "portcullis")
    patch = chart.the(name, "ConfigMap", "portcullis-sidecar")["data"]["patch.yaml"]
    return chart.documents(patch)[0]["spec"]["template"]["spec"]["initContainers"][0]


def configuration(name):
    maps = [one for one in chart.objects(name, "ConfigMap") if "portcullis.yaml" in one["data"]]
    return maps[0]["data"]["portcullis.yaml"]


class Mount:
    """A ConfigMap as the kubelet mounts it: files are links through `..data`, and one rename changes all."""

    def __init__(self, folder, data):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.generations = 0
        self.put(data)
        for name in data:
            (self.folder / name).symlink_to(pathlib.Path("..data") / name)

    def put(self, data):
        self.generations += 1
        generation = self.folder / f"..generation_{self.generations}"
        generation.mkdir()
        for name, text in data.items():
            (generation / name).write_text(text)
        link = self.folder / "..data_tmp"
        link.symlink_to(generation.name)
        link.rename(self.folder / "..data")


class Checked(unittest.TestCase):
    def check(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "portcullis.yaml")
            file.write_text(text)
            key = pathlib.Path(folder, "bundle.pub")
            key.write_text(KEY)
            arguments = ["check-config", "--config-file", file]
            for argument in gate(name)["args"]:
                option, _, value = argument.partition("=")
                if option == "--set-file":
                    arguments += [option, f"{value.partition('=')[0]}={key}"]
                elif option == "--set":
                    arguments.append(argument)
            running = server(gate(name), *arguments)
            out, err = running.communicate(timeout=60)
            return running.returncode, out, err

    def test_every_configuration_is_valid_and_warned_of_only_on_purpose(self):
        seen = 0
        for name in chart.VALUES:
            if name == "external":
                continue
            with self.subTest(name):
                code, out, err = self.check(name, configuration(name))
                self.assertEqual((code, out), (0, "the configuration is valid\n"), err)
                warnings = err.splitlines()
                self.assertEqual(len(warnings), name in WARNED, err)
                self.assertIn(WARNED.get(name, ""), err)
                seen += 1
        self.assertEqual(seen, len(chart.VALUES) - 1)

    def test_a_wrong_configuration_is_refused(self):
        text = configuration("deployment").replace("require_signature:", "require_signatures:")
        code, _, err = self.check("deployment", text)
        self.assertEqual(code, 64)
        self.assertIn("portcullis.bundles.require_signatures", err)


class Started(unittest.TestCase):
    """The command of `values/daemonset.yaml`, whose policy comes with the release."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        data = chart.the("daemonset", "ConfigMap", "portcullis-policy")["data"]
        Mount(self.root / "config", {"portcullis.yaml": configuration("daemonset")})
        self.policy = Mount(self.root / "policy", data)
        self.data = data

    def start(self):
        container = gate("daemonset")
        arguments = [one.replace("/etc/portcullis", str(self.root)) for one in container["args"]]
        addresses = ["plugins.envoy_ext_authz_grpc.addr", "portcullis.admin.addr", "portcullis.observe.addr"]
        loopback = ",".join(f"{address}=127.0.0.1:0" for address in addresses)
        # The grace is for proxies, of which there are none.
        running = server(
            container, arguments[0], f"--set={loopback},portcullis.shutdown.grace=0s", *arguments[1:]
        )
        # A server that says nothing more ends the test instead of holding it up.
        limit = threading.Timer(60, running.kill)
        limit.start()
        self.addCleanup(running.communicate)
        self.addCleanup(running.kill)
        self.addCleanup(limit.cancel)
        return running

    def event(self, running, message):
        for line in running.stderr:
            event = json.loads(line)
            if event["message"] == message:
                return event
        self.fail(f"the server ended before it said `{message}`")

    def get(self, address, path):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()

    def test_the_command_of_the_pod_becomes_ready_and_ends_when_it_is_told(self):
        running = self.start()
        address = self.event(running, "server started")["admin.address"]
        container = gate("daemonset")
        for probe in ("livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            self.assertEqual(self.get(address, path)[0], 200, path)
        running.send_signal(signal.SIGTERM)
        self.assertEqual(running.wait(30), 0)

    def test_a_changed_configmap_is_taken_up_without_a_restart(self):
        running = self.start()
        before = self.event(running, "policy activated")["policy.revision"]
        self.event(running, "server started")
        self.policy.put({**self.data, "data.json": '{"namespaces": ["payments"]}\n'})
        after = self.event(running, "policy activated")["policy.revision"]
        self.assertNotEqual(after, before)

    def test_a_broken_configmap_leaves_the_last_good_policy(self):
        running = self.start()
        address = self.event(running, "server started")["admin.address"]
        before = self.get(address, "/policy")[1]
        self.policy.put({**self.data, "authz.rego": "package envoy.authz\n\nallow if\n"})
        self.event(running, "policy rejected")
        self.assertEqual(self.get(address, "/readyz")[0], 200)
        self.assertEqual(json.loads(self.get(address, "/policy")[1])["revision"], json.loads(before)["revision"])
