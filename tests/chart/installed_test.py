"""What is shown and run after an installation: the notes, the pod of `helm test`, and names of any release."""

import subprocess
import tempfile
import unittest

import chart

TLS = "tls: {enabled: true, existingSecret: gate-tls%s}\nistio: {dataplane: none}\n"


def only(made, kind):
    found = [one for one in made if one["kind"] == kind]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} objects of kind {kind}")
    return found[0]


def told(values):
    """What an installation with values given as text is told."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        return chart.notes_of(file.name)


class HelmTest(unittest.TestCase):
    def test_a_network_policy_that_names_callers_lets_the_test_in(self):
        checks = chart.the("ambient", "NetworkPolicy")["spec"]["ingress"][0]["from"]
        selector = checks[-1]["podSelector"]["matchLabels"]
        self.assertLessEqual(selector.items(), chart.the("ambient", "Pod")["metadata"]["labels"].items())
        # The gates are let in by it no more than anybody.
        gates = chart.the("ambient", "Deployment")["spec"]["template"]["metadata"]["labels"]
        self.assertFalse(selector.items() <= gates.items())
        values = chart.VALUES["ambient"].read_text() + "test: {enabled: false}\n"
        checks = only(chart.with_values(values), "NetworkPolicy")["spec"]["ingress"][0]["from"]
        self.assertEqual(checks, [{"podSelector": {}}])

    def test_it_has_a_proxy_where_gates_have_one(self):
        for dataplane, injected in (("sidecar", "true"), ("none", "false"), ("ambient", "false"), ("", "false")):
            with self.subTest(dataplane):
                pod = only(chart.with_values(f'istio: {{dataplane: "{dataplane}"}}'), "Pod")["metadata"]
                self.assertEqual(pod["labels"]["sidecar.istio.io/inject"], injected)
                # Or the proxy would outlive it, and the pod never end.
                native = pod["annotations"].get("sidecar.istio.io/nativeSidecar")
                self.assertEqual(native, "true" if injected == "true" else None)

    def test_the_certificate_it_shows_is_one_for_clients(self):
        manager = ", clientCertificates: %s, certManager: {enabled: true, issuerRef: {name: mesh}}"
        for asked, usages in (("true", ["server auth", "client auth"]), ("false", ["server auth"])):
            with self.subTest(asked):
                made = chart.with_values(TLS % (manager % asked))
                self.assertEqual(only(made, "Certificate")["spec"]["usages"], usages)
                arguments = only(made, "Pod")["spec"]["containers"][0]["args"]
                self.assertEqual("--tls-cert=/etc/portcullis/tls/tls.crt" in arguments, asked == "true")

    def test_there_is_none_where_only_named_callers_may_ask(self):
        self.assertEqual(chart.objects("tls", "Pod"), [])
        self.assertNotIn("helm -n authz test", chart.notes("tls"))
        named = chart.with_values(TLS % ", clientCertificates: true")
        self.assertEqual(only(named, "Pod")["kind"], "Pod")
        self.assertIn("helm -n authz test", chart.notes("defaults"))

    def test_it_believes_the_authorities_that_are_given(self):
        def trusted(values):
            spec = only(chart.with_values(values), "Pod")["spec"]
            container = spec["containers"][0]
            volumes = {one["name"]: one for one in spec["volumes"]}
            path = next(one for one in container["args"] if one.startswith("--tls-ca=")).partition("=")[2]
            folder, _, key = path.rpartition("/")
            mount = next(one for one in container["volumeMounts"] if one["mountPath"] == folder)
            return volumes[mount["name"]], key

        self.assertEqual(trusted(TLS % ""), ({"name": "tls", "secret": {"secretName": "gate-tls"}}, "ca.crt"))
        given = TLS % "" + "test: {ca: {existingConfigMap: company, key: root.pem}}\n"
        self.assertEqual(trusted(given), ({"name": "ca", "configMap": {"name": "company"}}, "root.pem"))

    def test_it_runs_where_a_gate_runs(self):
        place = "nodeSelector: {pool: gates}\ntolerations: [{operator: Exists}]\naffinity: {nodeAffinity: {}}\n"
        keys = {"nodeSelector", "tolerations", "affinity"}
        made = chart.with_values("mode: daemonset\n" + place)
        gates = only(made, "DaemonSet")["spec"]["template"]["spec"]
        test = only(made, "Pod")["spec"]
        self.assertEqual({key: test[key] for key in keys}, {key: gates[key] for key in keys})
        # Gates of a Deployment are asked from every node.
        self.assertFalse(keys & set(only(chart.with_values(place), "Pod")["spec"]))


class Names(unittest.TestCase):
    def of(self, release, values="{}"):
        """The objects of a release by another name."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(values)
            file.flush()
            done = chart.helm("template", release, chart.CHART, "--namespace", "0123", "--values", file.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return chart.documents(done.stdout)

    def test_a_service_has_a_name_that_kubernetes_takes(self):
        for release, name in (
            ("shop.gate", "shop-gate-portcullis"),
            ("1st", "portcullis-1st"),
            ("on", "on-portcullis"),
            ("eu.portcullis", "eu-portcullis"),
        ):
            with self.subTest(release):
                service = only(self.of(release), "Service")
                self.assertEqual(service["metadata"]["name"], name)
                self.assertEqual(service["spec"]["selector"]["app.kubernetes.io/instance"], release)

    def test_names_that_look_like_other_things_stay_text(self):
        for one in self.of("123", "fullnameOverride: 'on'\ncommonLabels: {a: '1'}"):
            self.assertTrue(one["metadata"]["name"].startswith("on"), one["metadata"])
            self.assertEqual(one["metadata"]["namespace"], "0123")
            self.assertEqual(one["metadata"]["labels"]["app.kubernetes.io/instance"], "123")

    def test_labels_of_all_objects_leave_what_is_selected_by_alone(self):
        values = "commonLabels: {app.kubernetes.io/name: other, app.kubernetes.io/instance: other, team: platform}"
        made = self.of("portcullis", values + "\nserviceMonitor: {enabled: true}")
        service = only(made, "Service")
        monitor = only(made, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        self.assertLessEqual(monitor.items(), service["metadata"]["labels"].items())
        self.assertEqual(service["metadata"]["labels"]["team"], "platform")
        gates = only(made, "Deployment")["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(service["spec"]["selector"].items(), gates.items())

    def test_the_test_of_a_long_name_is_none_of_the_gates(self):
        made = self.of("portcullis", f"nameOverride: {'a' * 52}")
        selector = only(made, "Service")["spec"]["selector"].items()
        self.assertFalse(selector <= only(made, "Pod")["metadata"]["labels"].items())


class Notes(unittest.TestCase):
    def run_lines(self, text, first, last):
        """The lines from one to another, through a shell where `kubectl` prints what it is told."""
        lines = text.splitlines()
        start = lines.index(next(line for line in lines if line.startswith(first)))
        script = "\n".join(lines[start : lines.index(last, start) + 1])
        kubectl = 'kubectl() { echo "kubectl $*" >&2; case "$*" in *"-o name") echo pod/a; echo pod/b;; *"apply"*) cat;; esac; }\n'
        done = subprocess.run(["bash", "-euc", kubectl + script], capture_output=True, text=True, check=True)
        return done.stdout, done.stderr.splitlines()

    def test_the_first_policy_can_be_copied_into_a_shell(self):
        out, asked = self.run_lines(chart.notes("defaults"), "kubectl apply", "END")
        self.assertEqual(asked, ["kubectl apply -f -"])
        policy = chart.documents(out)[0]
        self.assertEqual((policy["kind"], policy["spec"]["action"]), ("AuthorizationPolicy", "CUSTOM"))
        self.assertEqual(policy["spec"]["provider"], {"name": "portcullis"})

    def test_every_gate_is_asked_for_denials(self):
        for name in ("defaults", "daemonset"):
            with self.subTest(name):
                _, asked = self.run_lines(chart.notes(name), "for pod in", "done")
                listed, first, second = asked
                selector = chart.the(name, "Service")["spec"]["selector"]
                self.assertIn(",".join(f"{key}={value}" for key, value in selector.items()), listed)
                self.assertIn("exec pod/a -c portcullis -- /portcullis observe --denied", first)
                self.assertIn("exec pod/b -c portcullis -- /portcullis observe --denied", second)
                self.assertRegex(chart.notes(name), r"logs -l \S+instance=portcullis -c portcullis --prefix --tail=20 ")

    def test_a_gate_with_tls_that_no_proxy_begins_is_warned_of(self):
        begin = "Istio's proxies begin it only by a DestinationRule"
        self.assertIn(begin, told(TLS % ""))
        self.assertNotIn(begin, chart.notes("tls"))
        self.assertNotIn(begin, chart.notes("defaults"))

    def test_authorities_of_the_system_are_warned_of(self):
        values = TLS.replace("none}", "none, destinationRule: {enabled: true, trafficPolicy: {tls: {mode: SIMPLE%s}}}}")
        warning = "proxies believe the authorities of their system only"
        self.assertIn(warning, told(values % ("", "")))
        self.assertNotIn(warning, told(values % ("", ", caCertificates: /etc/gate/ca.crt")))
        self.assertNotIn(warning, chart.notes("tls"))

    def test_ambient_is_said_to_have_one_port_for_everything(self):
        one = "Ambient carries checks and metrics on one port, 15008"
        only_callers = "WARNING: only istio.callers can say"
        self.assertIn(one, chart.notes("ambient"))
        self.assertNotIn(only_callers, chart.notes("ambient"))
        open_to_all = "networkPolicy: {enabled: true, metricsFrom: [{podSelector: {}}]}\nistio: {dataplane: ambient}"
        self.assertIn(only_callers, told(open_to_all))
        self.assertNotIn(one, chart.notes("deployment"))

    def test_a_socket_file_takes_the_gate_out_of_the_mesh_and_the_notes_say_so(self):
        group = "the proxy's group 1337, of which Istio redirects nothing"
        self.assertIn(group, chart.notes("sidecar-socket-file"))
        self.assertNotIn(group, chart.notes("sidecar"))


class Allowed(unittest.TestCase):
    """Twins of what is refused, so that no check refuses everything."""

    def test_what_is_nearly_refused_is_rendered(self):
        for values in (
            "networkPolicy: {enabled: true}\nistio: {dataplane: none}",
            "networkPolicy: {enabled: true}\nistio: {dataplane: ambient}",
            TLS % "",
            "tls: {enabled: true, existingSecret: tls}\nistio: {dataplane: ambient}",
            "istio: {policies: [{name: a, selector: {matchLabels: {app.kubernetes.io/name: shop}}, rules: [{}]}]}",
            "istio: {policies: [{name: a, namespace: shop, selector: {matchLabels: {}}, rules: [{}]}]}",
            "istio: {policies: [{name: a, namespace: shop, selector: {matchLabels: {app.kubernetes.io/name: portcullis}}, rules: [{}]}]}",
            "istio: {policies: [{name: a, targetRefs: [{kind: Service, name: shop}], rules: [{}]}]}",
            "istio: {policies: [{name: a, namespace: shop, targetRefs: [{kind: Service, name: portcullis}], rules: [{}]}]}",
            "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}",
            "strategy: {type: Recreate, rollingUpdate: null}",
            "strategy: null",
            "mode: daemonset\nupdateStrategy: null",
            "mode: daemonset\nupdateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 10%}}",
            "mode: daemonset\nupdateStrategy: {type: OnDelete, rollingUpdate: {maxUnavailable: 1}}",
            "istio: {provider: {timeout: 101ms}}",
            "istio: {provider: {timeout: 1m}}\nconfig: {portcullis: {budget: 2s}}",
            "istio: {provider: {timeout: 60ms}}\nconfig: {portcullis: {budget: 50ms}}",
            "config: {portcullis: {budget: '${BUDGET}'}}",
            "replicaCount: 3\npodDisruptionBudget: {minAvailable: 66%}",
            "podDisruptionBudget: {maxUnavailable: 50%}",
            "replicaCount: 1\npodDisruptionBudget: {maxUnavailable: 1}",
            f"fullnameOverride: {'a' * 52}",
        ):
            with self.subTest(values):
                self.assertTrue(chart.with_values(values))

    def test_a_gate_in_a_pod_ends_at_once_and_others_wait_for_proxies(self):
        for name, grace in (("sidecar", "0s"), ("defaults", "5s"), ("deployment", "10s")):
            with self.subTest(name):
                config = chart.objects(name, "ConfigMap")[0]["data"]["portcullis.yaml"]
                self.assertEqual(chart.documents(config)[0]["portcullis"]["shutdown"]["grace"], grace)
        made = chart.with_values("mode: sidecar\nsidecar: {graceSeconds: 3}")
        texts = [one["data"]["portcullis.yaml"] for one in made if "portcullis.yaml" in one.get("data", {})]
        self.assertEqual([chart.documents(text)[0]["portcullis"]["shutdown"]["grace"] for text in texts], ["3s"])
