"""What the chart renders: reviewed by people, known to Kubernetes and Istio, and refused where values contradict."""

import concurrent.futures
import difflib
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import chart

# Manifests of the project that no chart renders.
MANIFESTS = ["docs/examples", "tests/kind/manifests"]
MARK = "# refused: "


def kubeconform(*files):
    location = os.environ["SCHEMAS"] + "/{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"
    command = [os.environ["KUBECONFORM"], "-strict", "-summary", "-schema-location", location, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Renderings(unittest.TestCase):
    maxDiff = None

    def test_lint_has_nothing_to_say(self):
        told = chart.helm("lint", "--strict", chart.CHART)
        self.assertEqual(told.returncode, 0, told.stdout + told.stderr)

    def test_renderings_are_the_reviewed_ones(self):
        for name in chart.GOLDEN:
            with self.subTest(name):
                path = chart.HERE / "golden" / f"{name}.yaml"
                reviewed, made = path.read_text().splitlines(), chart.golden(name).splitlines()
                diff = "\n".join(difflib.unified_diff(reviewed, made, "reviewed", "rendered", lineterm=""))
                self.assertFalse(diff, f"look at this, then run `make chart-golden`:\n{diff}")

    def test_every_mode_is_reviewed(self):
        said = [chart.documents(path.read_text()) for path in chart.VALUES.values()]
        modes = {one.get("mode", "deployment") for values in said for one in values}
        self.assertEqual(modes, set(chart.GOLDEN))

    def test_no_object_is_rendered_twice(self):
        for name in chart.VALUES:
            with self.subTest(name):
                keys = [
                    (one["kind"], one["metadata"]["namespace"], one["metadata"]["name"])
                    for one in chart.objects(name)
                ]
                self.assertEqual(len(keys), len(set(keys)), keys)


class Schemas(unittest.TestCase):
    def test_kubernetes_and_istio_know_every_field(self):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name in chart.VALUES:
                file = pathlib.Path(folder, f"{name}.yaml")
                file.write_text(chart.rendered(name))
                files.append(file)
            told = kubeconform(*files)
        self.assertEqual(told.returncode, 0, told.stdout + told.stderr)
        self.assertIn("Skipped: 0", told.stdout)

    def test_kubernetes_knows_every_field_of_the_patch_for_pods(self):
        carriers = [name for name in chart.VALUES if "sidecar" in name]
        self.assertEqual(len(carriers), 3)
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name in carriers:
                data = chart.the(name, "ConfigMap", "portcullis-sidecar")["data"]
                template = chart.documents(data["patch.yaml"])[0]["spec"]["template"]
                template["metadata"]["labels"] = {"app": "orders"}
                template["spec"]["containers"] = [{"name": "orders", "image": "orders"}]
                carrier = {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": "orders"},
                    "spec": {"selector": {"matchLabels": {"app": "orders"}}, "template": template},
                }
                file = pathlib.Path(folder, f"{name}.json")
                file.write_text(json.dumps(carrier))
                files.append(file)
            told = kubeconform(*files)
        self.assertEqual(told.returncode, 0, told.stdout + told.stderr)

    def test_manifests_of_the_project_are_known_too(self):
        files = sorted((chart.HERE / "golden").glob("*.yaml"))
        for folder in MANIFESTS:
            for path in sorted((chart.ROOT / folder).rglob("*.yaml")):
                if all("kind" in one and "apiVersion" in one for one in chart.documents(path.read_text())):
                    files.append(path)
        told = kubeconform(*files)
        self.assertEqual(told.returncode, 0, told.stdout + told.stderr)

    def test_a_field_nobody_knows_is_refused(self):
        wrong = [
            ("deployment", "serviceAccountName:", "serviceAccountNames:"),
            ("deployment", "mode: STRICT", "mode: STRICTER"),
            ("deployment", "runbook_url: https", "runbook_url: [https]\n            x: https"),
            ("daemonset", "internalTrafficPolicy: Local", "internalTrafficPolicy: [Local]"),
            ("sidecar", "exportTo:", "exportsTo:"),
            ("external", "resolution: DNS", "resolution: dns"),
        ]
        for name, right, other in wrong:
            with self.subTest(f"{name}: {other}"), tempfile.TemporaryDirectory() as folder:
                self.assertIn(right, chart.rendered(name))
                file = pathlib.Path(folder, "wrong.yaml")
                file.write_text(chart.rendered(name).replace(right, other, 1))
                told = kubeconform(file)
                self.assertEqual(told.returncode, 1, told.stdout)
                self.assertIn("Invalid: 1", told.stdout)

    def test_a_kind_nobody_knows_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "wrong.yaml")
            file.write_text("apiVersion: security.istio.io/v1\nkind: AuthorisationPolicy\nmetadata: {name: a}\n")
            told = kubeconform(file)
        self.assertEqual(told.returncode, 1, told.stdout)
        self.assertIn("could not find schema", told.stdout)


class Refused(unittest.TestCase):
    def test_contradictions_are_refused_by_name(self):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            asked = {path: pool.submit(self.told, path) for path in chart.REFUSED}
        for path, told in asked.items():
            with self.subTest(path.stem):
                words = path.read_text().splitlines()[0]
                self.assertTrue(words.startswith(MARK), words)
                told = told.result()
                self.assertNotEqual(told.returncode, 0, "it was rendered")
                self.assertIn(words.removeprefix(MARK), told.stderr)

    @staticmethod
    def told(path):
        return chart.helm("template", chart.RELEASE, chart.CHART, "--namespace", chart.NAMESPACE, "--values", path)

    def test_every_refusal_of_the_templates_has_its_values(self):
        templates = "".join(path.read_text() for path in (chart.CHART / "templates").rglob("*.tpl"))
        templates += "".join(path.read_text() for path in (chart.CHART / "templates").rglob("*.yaml"))
        by_hand = [path for path in chart.REFUSED if " at '/" not in path.read_text()]
        self.assertGreaterEqual(len(by_hand), templates.count("fail "))
