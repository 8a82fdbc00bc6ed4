"""What single objects promise, each with what must not be."""

import json
import re
import unittest

import chart

WORKLOADS = ("Deployment", "DaemonSet")


def seconds(span):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", span).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def pods():
    """The pods of every workload and test, by the name of their values."""
    for name in chart.VALUES:
        for one in chart.objects(name):
            if one["kind"] in WORKLOADS:
                yield name, one["spec"]["template"]
            elif one["kind"] == "Pod":
                yield f"{name}, test", one


def workload(name):
    return next(one for one in chart.objects(name) if one["kind"] in WORKLOADS)


def gate(name):
    containers = workload(name)["spec"]["template"]["spec"]["containers"]
    return next(one for one in containers if one["name"] == "portcullis")


def configuration(name):
    return chart.documents(chart.the(name, "ConfigMap", "portcullis")["data"]["portcullis.yaml"])[0]


class Pods(unittest.TestCase):
    def test_every_pod_keeps_to_the_restricted_standard(self):
        for name, pod in pods():
            with self.subTest(name):
                spec = pod["spec"]
                self.assertTrue(spec["securityContext"]["runAsNonRoot"])
                self.assertEqual(spec["securityContext"]["runAsUser"], 65532)
                self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertFalse(spec["automountServiceAccountToken"])
                container = spec["containers"][0]["securityContext"]
                self.assertFalse(container["allowPrivilegeEscalation"])
                self.assertTrue(container["readOnlyRootFilesystem"])
                self.assertEqual(container["capabilities"], {"drop": ["ALL"]})

    def test_memory_is_limited_and_cpu_is_not(self):
        for name, pod in pods():
            with self.subTest(name):
                limits = pod["spec"]["containers"][0]["resources"]["limits"]
                self.assertIn("memory", limits)
                self.assertNotIn("cpu", limits)

    def test_the_pod_outlives_what_the_server_needs_to_end(self):
        for name, pod in pods():
            if "test" in name:
                continue
            with self.subTest(name):
                config = chart.the(name, "ConfigMap", workload(name)["metadata"]["name"])
                shutdown = chart.documents(config["data"]["portcullis.yaml"])[0]["portcullis"]["shutdown"]
                needed = seconds(shutdown["grace"]) + seconds(shutdown["drain_timeout"])
                self.assertGreaterEqual(pod["spec"]["terminationGracePeriodSeconds"], needed + 1)
                # The server itself goes on answering; a hook would only add to it.
                self.assertNotIn("lifecycle", pod["spec"]["containers"][0])

    def test_the_proxy_of_the_pod_outlives_the_server_too(self):
        told = workload("deployment")["spec"]["template"]["metadata"]["annotations"]["proxy.istio.io/config"]
        shutdown = configuration("deployment")["portcullis"]["shutdown"]
        needed = seconds(shutdown["grace"]) + seconds(shutdown["drain_timeout"])
        self.assertEqual(seconds(json.loads(told)["terminationDrainDuration"]), needed)

    def test_a_pod_without_proxy_is_not_told_about_one(self):
        for name in ("ambient", "daemonset"):
            with self.subTest(name):
                annotations = workload(name)["spec"]["template"]["metadata"]["annotations"]
                self.assertNotIn("proxy.istio.io/config", annotations)

    def test_a_restart_never_takes_a_ready_pod_away_first(self):
        for name, key in (("defaults", "strategy"), ("daemonset", "updateStrategy")):
            with self.subTest(name):
                rolling = workload(name)["spec"][key]["rollingUpdate"]
                self.assertEqual(rolling, {"maxSurge": 1, "maxUnavailable": 0})

    def test_probes_ask_the_port_that_tells(self):
        container = gate("defaults")
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        self.assertEqual(asked["liveness"], {"path": "/livez", "port": "http-metrics"})
        self.assertEqual(asked["readiness"], {"path": "/readyz", "port": "http-metrics"})
        # A gate that waits for its first bundle is not restarted.
        self.assertEqual(asked["startup"], asked["liveness"])
        self.assertEqual(configuration("defaults")["portcullis"]["admin"]["addr"], f":{ports['http-metrics']}")
        plugin = configuration("defaults")["plugins"]["envoy_ext_authz_grpc"]
        self.assertEqual(plugin["addr"], f":{ports['grpc-authz']}")

    def test_a_digest_decides_which_image_runs(self):
        self.assertRegex(gate("deployment")["image"], r"^ghcr\.io/[a-z/]+:0\.1\.0@sha256:[0-9a-f]{64}$")
        self.assertNotIn("@", gate("defaults")["image"])

    def test_pods_are_spread_over_zones_and_nodes(self):
        spread = workload("defaults")["spec"]["template"]["spec"]["topologySpreadConstraints"]
        self.assertEqual(
            [one["topologyKey"] for one in spread], ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        )
        selector = workload("defaults")["spec"]["selector"]
        for one in spread:
            self.assertEqual(one["labelSelector"], selector)
        self.assertNotIn("topologySpreadConstraints", workload("daemonset")["spec"]["template"]["spec"])


class Policies(unittest.TestCase):
    def test_a_changed_configuration_restarts_and_a_changed_policy_does_not(self):
        text = (chart.HERE / "values/daemonset.yaml").read_text()

        def checksum(values):
            pods = [one for one in chart.with_values(values) if one["kind"] == "DaemonSet"]
            return pods[0]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

        before = checksum(text)
        self.assertEqual(checksum(text.replace("source.spiffe.namespace", "source.spiffe.trust_domain")), before)
        self.assertNotEqual(checksum(text + "config: {labels: {a: b}}\n"), before)

    def test_policies_in_files_are_watched_in_whole_folders(self):
        for name in ("daemonset", "ambient", "tls"):
            with self.subTest(name):
                self.assertTrue(configuration(name)["portcullis"]["watch"])
                mount = next(one for one in gate(name)["volumeMounts"] if one["name"] == "portcullis-policy")
                self.assertEqual(gate(name)["args"][-1], mount["mountPath"])
                self.assertTrue(mount["readOnly"])
                # Of a claim it is a folder; a file of a ConfigMap would never be renewed.
                self.assertEqual("subPath" in mount, name == "tls")

    def test_the_embedded_policy_is_neither_watched_nor_mounted(self):
        self.assertNotIn("watch", configuration("defaults")["portcullis"])
        self.assertEqual(gate("defaults")["args"], ["run", "--config-file=/etc/portcullis/config/portcullis.yaml"])
        self.assertEqual([one["name"] for one in gate("defaults")["volumeMounts"]], ["portcullis-config"])

    def test_signed_bundles_bring_their_key_and_unsigned_ones_do_not(self):
        key = "--set-file=keys.release.key=/etc/portcullis/source/keys/bundle.pub"
        self.assertIn(key, gate("deployment")["args"])
        self.assertTrue(configuration("deployment")["portcullis"]["bundles"]["require_signature"])
        self.assertNotIn("keys", configuration("bundle"))
        self.assertNotIn("require_signature", configuration("bundle")["portcullis"]["bundles"])

    def test_a_registry_is_spoken_to_as_a_registry(self):
        self.assertEqual(configuration("deployment")["services"]["authz"]["type"], "oci")
        self.assertEqual(configuration("deployment")["services"]["authz"]["url"], "https://registry.example.com")
        self.assertNotIn("type", configuration("bundle")["services"]["shop"])

    def test_bundles_are_kept_in_the_volume_that_is_given(self):
        volumes = {one["name"]: one for one in workload("bundle")["spec"]["template"]["spec"]["volumes"]}
        self.assertEqual(
            volumes["portcullis-state"],
            {"name": "portcullis-state", "hostPath": {"path": "/var/lib/portcullis", "type": "DirectoryOrCreate"}},
        )
        self.assertEqual(configuration("bundle")["persistence_directory"], "/var/lib/portcullis")
        self.assertNotIn("persistence_directory", configuration("defaults"))

    def test_no_secret_is_rendered(self):
        for name in chart.VALUES:
            self.assertEqual(chart.objects(name, "Secret"), [])

    def test_large_integers_stay_integers(self):
        config = chart.the("everything-extra", "ConfigMap", "gate")["data"]["portcullis.yaml"]
        self.assertIn("buffer_size_limit_bytes: 67108864\n", config)
        self.assertIn("grpc-max-recv-msg-size: 16777216\n", config)


class Network(unittest.TestCase):
    def test_istio_is_told_that_checks_are_http2(self):
        for name, protocol in (("defaults", "grpc"), ("everything-extra", "kubernetes.io/h2c")):
            with self.subTest(name):
                port = chart.the(name, "Service")["spec"]["ports"][0]
                self.assertTrue(port["name"].startswith("grpc-"))
                self.assertEqual(port["appProtocol"], protocol)

    def test_a_gate_on_every_node_is_asked_by_its_node_alone(self):
        self.assertEqual(chart.the("daemonset", "Service")["spec"]["internalTrafficPolicy"], "Local")
        self.assertNotIn("internalTrafficPolicy", chart.the("defaults", "Service")["spec"])

    def test_the_service_selects_the_gates_and_not_the_test(self):
        for name in ("defaults", "daemonset", "deployment"):
            with self.subTest(name):
                selector = chart.the(name, "Service")["spec"]["selector"].items()
                self.assertLessEqual(selector, workload(name)["spec"]["template"]["metadata"]["labels"].items())
                self.assertFalse(selector <= chart.the(name, "Pod")["metadata"]["labels"].items())

    def test_checks_come_from_everybody_until_it_is_said_who(self):
        checks, metrics = chart.the("deployment", "NetworkPolicy")["spec"]["ingress"]
        self.assertNotIn("from", checks)
        self.assertEqual(len(metrics["from"]), 1)
        self.assertIn("from", chart.the("ambient", "NetworkPolicy")["spec"]["ingress"][0])

    def test_ambient_traffic_passes_the_network_policy(self):
        def numbers(name):
            rules = chart.the(name, "NetworkPolicy")["spec"]["ingress"]
            return [[port["port"] for port in rule["ports"]] for rule in rules]

        self.assertEqual(numbers("ambient"), [["grpc-authz", 15008], ["http-metrics", 15008]])
        self.assertEqual(numbers("deployment"), [["grpc-authz"], ["http-metrics"]])

    def test_egress_is_names_the_mesh_and_what_is_said(self):
        egress = chart.the("deployment", "NetworkPolicy")["spec"]["egress"]
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in egress], [[53, 53], [15012], [443]])
        egress = chart.the("ambient", "NetworkPolicy")["spec"]["egress"]
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in egress], [[53, 53], [15008]])
        self.assertEqual(egress[1]["to"], [{"namespaceSelector": {}}])

    def test_probes_pass_an_ambient_network_policy_by_either_family(self):
        metrics = chart.the("ambient", "NetworkPolicy")["spec"]["ingress"][1]["from"]
        blocks = [one["ipBlock"]["cidr"] for one in metrics if "ipBlock" in one]
        self.assertEqual(blocks, ["169.254.7.127/32", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128"])
        metrics = chart.the("deployment", "NetworkPolicy")["spec"]["ingress"][1]["from"]
        self.assertEqual([one for one in metrics if "ipBlock" in one], [])


class Istio(unittest.TestCase):
    def test_only_proxies_that_are_named_may_ask(self):
        self.assertEqual(chart.the("deployment", "PeerAuthentication")["spec"]["mtls"], {"mode": "STRICT"})
        policy = chart.the("deployment", "AuthorizationPolicy", "portcullis-callers")["spec"]
        self.assertEqual(policy["action"], "ALLOW")
        checks, metrics = policy["rules"]
        self.assertEqual(checks["to"], [{"operation": {"ports": ["9191"]}}])
        self.assertEqual(checks["from"][0], {"source": {"namespaces": ["shop", "istio-ingress"]}})
        self.assertNotIn({"source": {"principals": ["*"]}}, checks["from"])
        self.assertEqual(metrics, {"to": [{"operation": {"ports": ["8282"]}}]})

    def test_without_names_it_is_whoever_has_an_identity(self):
        made = chart.with_values("istio: {callers: {enabled: true}}")
        policy = next(one for one in made if one["kind"] == "AuthorizationPolicy")
        self.assertEqual(policy["spec"]["rules"][0]["from"], [{"source": {"principals": ["*"]}}])

    def test_the_test_may_ask_where_only_some_may(self):
        test = chart.the("deployment", "Pod")
        self.assertEqual(test["metadata"]["labels"]["sidecar.istio.io/inject"], "true")
        policy = chart.the("deployment", "AuthorizationPolicy", "portcullis-callers")["spec"]
        account = test["spec"]["serviceAccountName"]
        self.assertIn({"source": {"principals": [f"*/ns/authz/sa/{account}"]}}, policy["rules"][0]["from"])
        self.assertEqual(chart.the("defaults", "Pod")["metadata"]["labels"]["sidecar.istio.io/inject"], "false")

    def test_nothing_of_istio_is_rendered_unasked(self):
        groups = {one["apiVersion"].partition("/")[0] for one in chart.objects("defaults")}
        self.assertFalse({group for group in groups if "istio.io" in group}, groups)

    def test_custom_policies_name_the_provider_that_the_notes_register(self):
        policy = chart.the("deployment", "AuthorizationPolicy", "orders")["spec"]
        self.assertEqual(policy["action"], "CUSTOM")
        self.assertIn(f"- name: {policy['provider']['name']}\n", chart.notes("deployment"))

    def test_a_gate_outside_is_reached_over_tls(self):
        entry = chart.the("external", "ServiceEntry")["spec"]
        self.assertEqual((entry["location"], entry["resolution"]), ("MESH_EXTERNAL", "DNS"))
        self.assertEqual(entry["ports"][0]["protocol"], "GRPC")
        rule = chart.the("external", "DestinationRule")["spec"]
        self.assertEqual([rule["host"]], entry["hosts"])
        self.assertEqual(rule["trafficPolicy"]["tls"]["mode"], "SIMPLE")
        kinds = {one["kind"] for one in chart.objects("external")}
        self.assertFalse(kinds & {"Deployment", "DaemonSet", "Service", "Pod"})

    def test_filters_ask_for_what_is_said_and_no_more(self):
        input_filter = chart.the("enriched", "EnvoyFilter", "portcullis-input")["spec"]["configPatches"]
        self.assertEqual([patch["applyTo"] for patch in input_filter], ["HTTP_FILTER", "NETWORK_FILTER"])
        http, tcp = (patch["patch"]["value"]["typed_config"] for patch in input_filter)
        self.assertTrue(http.pop("encode_raw_headers"))
        self.assertEqual(http.pop("metadata_context_namespaces"), ["envoy.filters.http.rbac"])
        for config in (http, tcp):
            config.pop("@type")
        self.assertEqual(http, tcp)
        self.assertEqual(set(tcp), {"include_peer_certificate", "include_tls_session", "bootstrap_metadata_labels_key"})
        edge = chart.the("enriched", "EnvoyFilter", "portcullis-edge")["spec"]["configPatches"]
        self.assertEqual(len(edge), 1)
        self.assertNotIn("include_peer_certificate", edge[0]["patch"]["value"]["typed_config"])


class Sidecar(unittest.TestCase):
    def patch(self, name):
        return chart.documents(chart.the(name, "ConfigMap", "portcullis-sidecar")["data"]["patch.yaml"])[0]

    def test_proxies_find_the_gate_where_it_listens(self):
        for name, address, listen in (
            ("sidecar", "unix://@portcullis", "unix://@portcullis"),
            ("sidecar-loopback", "127.0.0.1", "127.0.0.1:9191"),
            ("sidecar-socket-file", "unix:///var/run/portcullis/gate.sock", "unix:///var/run/portcullis/gate.sock"),
        ):
            with self.subTest(name):
                entry = chart.the(name, "ServiceEntry")["spec"]
                self.assertEqual(entry["endpoints"], [{"address": address}])
                config = chart.objects(name, "ConfigMap")[0]["data"]["portcullis.yaml"]
                plugin = chart.documents(config)[0]["plugins"]["envoy_ext_authz_grpc"]
                self.assertEqual(plugin["addr"], listen)

    def test_the_gate_starts_before_the_pod_and_mounts_what_its_namespace_has(self):
        pod = self.patch("sidecar")["spec"]["template"]["spec"]
        self.assertEqual([one["restartPolicy"] for one in pod["initContainers"]], ["Always"])
        names = {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one}
        for namespace in ("shop", "payments"):
            made = {
                one["metadata"]["name"]
                for one in chart.objects("sidecar", "ConfigMap")
                if one["metadata"]["namespace"] == namespace
            }
            self.assertEqual(made, names)

    def test_the_proxy_mounts_the_folder_of_a_socket_file_and_of_no_other(self):
        key = "sidecar.istio.io/userVolumeMount"
        annotations = self.patch("sidecar-socket-file")["spec"]["template"]["metadata"]["annotations"]
        self.assertEqual(json.loads(annotations[key]), {"portcullis-socket": {"mountPath": "/var/run/portcullis"}})
        self.assertIn(key, chart.notes("sidecar-socket-file"))
        self.assertNotIn(key, self.patch("sidecar")["spec"]["template"]["metadata"]["annotations"])

    def test_the_proxy_may_open_the_socket_file(self):
        def group(name):
            container = self.patch(name)["spec"]["template"]["spec"]["initContainers"][0]
            return container["securityContext"]["runAsGroup"]

        self.assertEqual(group("sidecar-socket-file"), 1337)
        self.assertEqual(group("sidecar"), 65532)

    def test_probes_reach_the_gate_whatever_the_proxy_asks_for(self):
        template = self.patch("sidecar")["spec"]["template"]
        port = template["spec"]["initContainers"][0]["ports"][0]["containerPort"]
        annotations = template["metadata"]["annotations"]
        self.assertEqual(annotations["traffic.sidecar.istio.io/excludeInboundPorts"], str(port))

    def test_the_container_is_as_hardened_as_a_pod_of_its_own(self):
        context = self.patch("sidecar")["spec"]["template"]["spec"]["initContainers"][0]["securityContext"]
        self.assertEqual(context["runAsUser"], 65532)
        self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertTrue(context["readOnlyRootFilesystem"])

    def test_the_injection_template_is_the_patch(self):
        data = chart.the("sidecar", "ConfigMap", "portcullis-sidecar")["data"]
        values = chart.documents(data["istiod-values.yaml"])[0]
        template = chart.documents(values["sidecarInjectorWebhook"]["templates"]["portcullis"])[0]
        self.assertEqual(template, {"spec": self.patch("sidecar")["spec"]["template"]["spec"]})


class Watched(unittest.TestCase):
    def test_the_rules_are_those_that_are_tested(self):
        source = chart.documents((chart.CHART / "files/alerts.yaml").read_text())[0]["groups"]
        made = chart.the("deployment", "PrometheusRule")["spec"]["groups"]
        self.assertEqual([group["name"] for group in made], [group["name"] for group in source])
        before = {rule.get("alert", rule.get("record")): rule for group in source for rule in group["rules"]}
        after = {rule.get("alert", rule.get("record")): rule for group in made for rule in group["rules"]}
        self.assertEqual(set(before) - set(after), {"PortcullisNoChecks"})
        for name, rule in after.items():
            with self.subTest(name):
                self.assertEqual(rule["expr"], before[name]["expr"])
                self.assertEqual(rule.get("for"), before[name].get("for"))
                if "alert" in rule:
                    self.assertEqual(rule["labels"], {**before[name]["labels"], "team": "platform"})
                    self.assertEqual(rule["annotations"]["summary"], before[name]["annotations"]["summary"])
                    url = rule["annotations"]["runbook_url"]
                    self.assertTrue(url.startswith("https://github.com/example/portcullis/blob/main/docs/"), url)

    def test_the_monitor_scrapes_the_port_that_tells(self):
        spec = chart.the("deployment", "ServiceMonitor")["spec"]
        service = chart.the("deployment", "Service")
        self.assertIn(spec["endpoints"][0]["port"], [port["name"] for port in service["spec"]["ports"]])
        self.assertLessEqual(spec["selector"]["matchLabels"].items(), service["metadata"]["labels"].items())

    def test_the_dashboard_is_the_file(self):
        board = chart.the("autoscaling", "ConfigMap", "portcullis-dashboard")
        self.assertEqual(board["metadata"]["labels"]["grafana_dashboard"], "1")
        self.assertEqual(board["metadata"]["namespace"], "monitoring")
        source = json.loads((chart.CHART / "files/dashboard.json").read_text())
        self.assertEqual(json.loads(board["data"]["portcullis.json"]), source)

    def test_an_autoscaled_deployment_leaves_its_size_alone(self):
        self.assertNotIn("replicas", workload("autoscaling")["spec"])
        self.assertEqual(workload("defaults")["spec"]["replicas"], 2)
        scaler = chart.the("autoscaling", "HorizontalPodAutoscaler")["spec"]
        self.assertEqual(scaler["scaleTargetRef"]["name"], workload("autoscaling")["metadata"]["name"])
        self.assertEqual([one["type"] for one in scaler["metrics"]], ["ContainerResource", "Pods"])


class Notes(unittest.TestCase):
    def test_the_provider_is_safe_as_it_is_printed(self):
        text = chart.notes("defaults")
        start = text.index("    meshConfig:")
        provider = chart.documents(text[start : text.index("\n\n", start)])[0]["meshConfig"]["extensionProviders"][0]
        grpc = provider["envoyExtAuthzGrpc"]
        service = chart.the("defaults", "Service")
        self.assertRegex(provider["name"], r"^[a-z0-9-]{1,63}$")
        self.assertEqual(grpc["service"], f"{service['metadata']['name']}.authz.svc.cluster.local")
        self.assertEqual(grpc["port"], service["spec"]["ports"][0]["port"])
        self.assertEqual((grpc["timeout"], grpc["failOpen"], grpc["statusOnError"]), ("0.5s", False, "503"))

    def test_the_embedded_policy_is_warned_of_and_no_other(self):
        self.assertIn("WARNING: none given", chart.notes("defaults"))
        for name in ("deployment", "daemonset", "ambient", "tls", "bundle", "external"):
            self.assertNotIn("WARNING: none given", chart.notes(name))

    def test_unsigned_bundles_are_warned_of(self):
        self.assertIn("bundles are not signed", chart.notes("bundle"))
        self.assertNotIn("bundles are not signed", chart.notes("deployment"))

    def test_waypoints_are_spoken_of_where_there_are_some(self):
        annotation = "ambient.istio.io/xfcc-include-client-identity"
        self.assertIn(annotation, chart.notes("ambient"))
        self.assertNotIn("does not read it", chart.notes("ambient"))
        self.assertNotIn(annotation, chart.notes("deployment"))

    def test_one_pod_is_warned_of(self):
        self.assertIn("WARNING: one pod", chart.notes("everything-extra"))
        self.assertNotIn("WARNING: one pod", chart.notes("defaults"))
