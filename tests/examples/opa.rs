//! Deployments of opa-envoy as users have them, with nothing changed but image and ports: the arguments,
//! the files that kubelet would mount, the environment and the probes of each start and ask the real binary.

use std::{fs, os::unix::fs::symlink, path::Path, process::Stdio};

use envoy_types::pb::{
    envoy::service::auth::v3::{
        CheckRequest, CheckResponse, authorization_client::AuthorizationClient,
    },
    google::protobuf::value::Kind,
};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    bundle_server::{BundleServer, Version, archive},
    lines::Lines,
    repository,
};

/// One container of a deployment, and the process that took its place.
struct Container {
    _mounts: TempDir,
    _process: Child,
    spec: Value,
    grpc: String,
    admin: String,
    log: Lines,
}

impl Container {
    /// Starts the container of a manifest in `tests/fixtures/opa_envoy`; `changed` replaces text in it.
    async fn start(manifest: &str, changed: &[(&str, &str)]) -> Self {
        let path = repository("tests/fixtures/opa_envoy").join(manifest);
        let mut text = fs::read_to_string(path).unwrap();
        for (from, to) in PORTS.iter().chain(changed) {
            text = text.replace(from, to);
        }
        let objects: Vec<Value> = crate::yaml::documents(&text);
        let kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
        let pod = &kind("Deployment").next().unwrap()["spec"]["template"]["spec"];
        let spec = pod["containers"][0].clone();
        let mounts = TempDir::new().unwrap();
        for mount in spec["volumeMounts"].as_array().unwrap() {
            let volume = find(&pod["volumes"], &mount["name"]);
            let name = &volume["configMap"]["name"];
            let map = kind("ConfigMap").find(|map| map["metadata"]["name"] == *name);
            let at = mount["mountPath"].as_str().unwrap().trim_start_matches('/');
            mount_config_map(&map.unwrap()["data"], &mounts.path().join(at));
        }
        let process = command(&spec, mounts.path()).spawn();
        Self::started(process.unwrap(), mounts, spec).await
    }

    async fn started(mut process: Child, mounts: TempDir, spec: Value) -> Self {
        let log = Lines::of(process.stderr.take().unwrap());
        let started = log.first(|line| line["message"] == "server started").await;
        let address = |key: &str| started[key].as_str().unwrap().to_owned();
        Self {
            _mounts: mounts,
            _process: process,
            spec,
            grpc: address("grpc.address"),
            admin: address("admin.address"),
            log,
        }
    }

    /// Whether a captured request is allowed, and the ID of the decision.
    async fn decides(&self, capture: &str) -> (bool, String) {
        let path = repository("tests/fixtures/captures").join(capture);
        let request = CheckRequest::decode(fs::read(path).unwrap().as_slice()).unwrap();
        let mut client = AuthorizationClient::connect(format!("http://{}", self.grpc))
            .await
            .unwrap();
        let response = client.check(request).await.unwrap().into_inner();
        (response.status.as_ref().unwrap().code == 0, id(&response))
    }

    /// The statuses of its probes, by their names.
    async fn probes(&self) -> Vec<(&'static str, u16)> {
        let mut found = Vec::new();
        for name in ["livenessProbe", "readinessProbe"] {
            let path = self.spec[name]["httpGet"]["path"].as_str().unwrap();
            found.push((name, self.get(path).await.0));
        }
        found
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{path}", self.admin);
        let answer = client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The warnings of its start.
    fn warnings(&self) -> String {
        let lines = self.log.all().into_iter();
        let warnings = lines.filter(|line| line["level"] == "WARN");
        let texts = warnings.map(|line| line["message"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// The process that the container's image would start, in a file system where `mounts` is the root.
fn command(spec: &Value, mounts: &Path) -> Command {
    let mounted: Vec<_> = spec["volumeMounts"].as_array().unwrap().iter().collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    for argument in spec["args"].as_array().unwrap() {
        let mut argument = argument.as_str().unwrap().to_owned();
        for mount in &mounted {
            let path = mount["mountPath"].as_str().unwrap();
            let (before, at) = argument.split_at(argument.find(path).unwrap_or(argument.len()));
            argument = match at {
                "" => before.to_owned(),
                at => format!("{before}{}{at}", mounts.display()),
            };
        }
        command.arg(argument);
    }
    for variable in spec["env"].as_array().into_iter().flatten() {
        let text = |key: &str| variable[key].as_str().unwrap();
        command.env(text("name"), text("value"));
    }
    command.stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// As kubelet mounts it: every key a link through `..data` into a hidden folder.
fn mount_config_map(data: &Value, at: &Path) {
    fs::create_dir_all(at.join("..2026_11")).unwrap();
    symlink("..2026_11", at.join("..data")).unwrap();
    for (key, text) in data.as_object().unwrap() {
        fs::write(at.join("..2026_11").join(key), text.as_str().unwrap()).unwrap();
        symlink(Path::new("..data").join(key), at.join(key)).unwrap();
    }
}

fn find<'a>(list: &'a Value, name: &Value) -> &'a Value {
    let mut all = list.as_array().unwrap().iter();
    all.find(|item| item["name"] == *name).unwrap()
}

/// The ID that a response carries to Envoy.
fn id(response: &CheckResponse) -> String {
    let metadata = response.dynamic_metadata.as_ref().unwrap();
    let Some(Kind::StringValue(id)) = &metadata.fields["decision_id"].kind else {
        panic!("the decision has no ID");
    };
    id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_of_opa_envoy_decides_after_its_image_was_changed() {
    let gate = Container::start("quick_start.yaml", &[]).await;
    assert_eq!(
        gate.probes().await,
        [("livenessProbe", 200), ("readinessProbe", 200)]
    );
    let (allowed, id) = gate.decides("http1-mtls-jwt.pb").await;
    assert!(allowed);
    assert!(!gate.decides("http1-mtls-get.pb").await.0, "no token");
    assert!(!gate.decides("http2-mtls-json-body.pb").await.0, "POST");
    // The decision log that `console: true` asks for, as OPA writes it.
    let record = |line: &Value| line["decision_id"] == id && line["msg"] == "Decision Log";
    let record = gate.log.first(record).await;
    assert_eq!(record["path"], "envoy/authz/allow");
    assert_eq!(record["result"], true);
    let warnings = gate.warnings();
    assert!(warnings.contains("`--addr` has no effect"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_in_arguments_and_a_folder_of_policies_and_data_are_read_as_they_are() {
    let gate = Container::start("arguments_only.yaml", &[]).await;
    assert_eq!(
        gate.probes().await,
        [("livenessProbe", 200), ("readinessProbe", 200)]
    );
    assert!(gate.decides("http1-mtls-get.pb").await.0);
    assert!(!gate.decides("http2-mtls-other-namespace.pb").await.0);
    assert!(!gate.decides("http2-mtls-json-body.pb").await.0, "POST");
    let active = |line: &Value| line["message"] == "policy activated";
    gate.log.first(active).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_decision_logs_and_status_of_a_control_plane_go_on() {
    let server = BundleServer::start().await;
    let rego = br#"package envoy.authz

default allow := false

allow if startswith(input.attributes.source.principal, "spiffe://cluster.local/ns/foo/")
"#;
    let bundle = archive(&[
        (".manifest", br#"{"revision": "r1", "roots": ["envoy"]}"#),
        ("policy.rego", rego),
    ]);
    server.set("/bundles/authz.tar.gz", Version::new("1", bundle));
    let origin = server.origin();
    let gate = Container::start("bundles.yaml", &[("https://control.example", &origin)]).await;
    assert_eq!(
        gate.probes().await,
        [("livenessProbe", 200), ("readinessProbe", 200)]
    );
    assert!(gate.decides("http1-mtls-get.pb").await.0);
    assert!(!gate.decides("http2-mtls-other-namespace.pb").await.0);
    for path in ["/bundles/authz.tar.gz", "/logs", "/status"] {
        let seen = server.requests(path, 1).await;
        let bearer = seen[0].header("authorization");
        assert_eq!(bearer, Some("Bearer secret-of-the-control-plane"), "{path}");
    }
    let configuration: Value = serde_json::from_str(&gate.get("/config").await.1).unwrap();
    assert_eq!(
        configuration["portcullis"]["shutdown"],
        json!({"grace": "15s", "drain_timeout": "20s"})
    );
    let warnings = gate.warnings();
    for argument in [
        "addr",
        "authentication",
        "ready-timeout",
        "log-timestamp-format",
    ] {
        assert!(warnings.contains(&format!("`--{argument}`")), "{warnings}");
    }
    for silent in ["disable-telemetry", "shutdown-grace-period"] {
        assert!(!warnings.contains(silent), "{warnings}");
    }
}

/// Everything `opa run` of 1.22 has that is about its own server, or that works differently here.
const WITHOUT_EFFECT: &[&str] = &[
    "--addr=:8181,unix:///run/opa.sock",
    "--authentication=tls",
    "--authorization=basic",
    "--h2c",
    "--log-level-request=info",
    "--min-tls-version=1.3",
    "--pprof=true",
    "--tls-ca-cert-file=/tls/ca.crt",
    "--tls-cert-file=/tls/tls.crt",
    "--tls-cert-refresh-period=1m",
    "--tls-cipher-suites=TLS_AES_128_GCM_SHA256",
    "--tls-private-key-file=/tls/tls.key",
    "--unix-socket-perm=755",
    "--log-timestamp-format=2006",
    "--max-errors=-1",
    "--optimize-store-for-read-speed",
    "--ready-timeout=-1",
    "--skip-known-schema-check",
];

#[tokio::test(flavor = "multi_thread")]
async fn arguments_about_opas_own_server_are_named_and_have_no_effect() {
    let silent = [
        "-s",
        "--skip-version-check",
        "--v1-compatible",
        "--watch-config=false",
    ];
    let off = [
        "--set=plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0",
        "--diagnostic-addr=127.0.0.1:0",
    ];
    let arguments = [&["run"], &silent[..], &off, WITHOUT_EFFECT].concat();
    let spec = json!({"args": arguments, "volumeMounts": []});
    let mounts = TempDir::new().unwrap();
    let process = command(&spec, mounts.path()).spawn().unwrap();
    let gate = Container::started(process, mounts, spec).await;
    let warnings = gate.warnings();
    for argument in WITHOUT_EFFECT {
        let name = argument.split('=').next().unwrap();
        assert!(
            warnings.contains(&format!("`{name}`")),
            "{name}: {warnings}"
        );
    }
    for argument in silent {
        let name = argument.split('=').next().unwrap();
        assert!(
            !warnings.contains(&format!("`{name}`")),
            "{name}: {warnings}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_missed_is_refused_with_what_to_do_instead() {
    for (arguments, hint) in [
        (["--watch-config", "--server"], "restart on a change"),
        (
            ["-s", "https://control.example/bundle.tar.gz"],
            "in `services`",
        ),
        (
            ["--shutdown-wait-period", "3600"],
            "portcullis.shutdown.grace",
        ),
        (["--server", "--bundle"], "a value is required"),
        (["--server", "--plugin-dir=/plugins"], "unexpected argument"),
        (["--bundle=first", "second"], "`-b` before each bundle"),
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("run")
            .args(arguments)
            .output();
        let done = done.await.unwrap();
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(64), "{arguments:?}: {error}");
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
}

/// Read as far as the policy, which is not there.
#[tokio::test(flavor = "multi_thread")]
async fn switches_are_written_as_opa_reads_them() {
    for (switches, hint) in [
        ("--watch --watch --pprof --pprof", "nowhere.rego"),
        (
            "--watch=true --v0-compatible=false --skip-verify=true",
            "nowhere.rego",
        ),
        ("--watch=perhaps", "invalid value 'perhaps'"),
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("run")
            .args(switches.split(' '))
            .arg("nowhere.rego")
            .output();
        let done = done.await.unwrap();
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(64), "{switches}: {error}");
        assert!(error.contains(hint), "{switches}: {error}");
    }
}

/// The ports of the manifests, which are taken on a machine that runs tests.
const PORTS: &[(&str, &str)] = &[
    ("0.0.0.0:8282", "127.0.0.1:0"),
    ("0.0.0.0:9191", "127.0.0.1:0"),
    (" :9191", " 127.0.0.1:0"),
    ("=:9191", "=127.0.0.1:0"),
];
