//! The configuration: one YAML or JSON file, `${ENV}`, `--set` and `--set-file`, checked as a whole.
//!
//! OPA's sections keep their names and types, so a working opa-envoy configuration is accepted as it
//! is; ours stand under `portcullis`. Promises that a [`Config`] is valid in every key, that a wrong
//! file gives all its problems in one run, that no problem's text and no [`Config::redacted`] view
//! holds a secret, and that a key without effect is named rather than ignored. A configuration that
//! asks for a policy this version cannot get is refused: a gate without its policy must not start
//! as if all were well. `docs/configuration.md` describes every key.

mod address;
mod bundles;
mod decision_logs;
mod delays;
mod discovery;
mod distributed_tracing;
mod document;
mod environment;
mod file;
mod http2;
mod http_send;
mod jwt;
mod keys;
mod observe;
mod opa;
mod otlp;
mod overrides;
mod plugin;
mod portcullis;
mod problem;
mod redacted;
mod schema;
mod section;
mod services;
mod status;
mod telemetry;
mod tls;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

pub(crate) use self::value::parse_duration;
pub use self::{
    address::{InvalidAddress, ListenAddr},
    bundles::{Bundles, LimitWishes, Wishes},
    decision_logs::{DecisionLogs, OurDecisionLogs, Redact},
    discovery::Discovery,
    environment::Environment,
    http2::Http2,
    jwt::Jwt,
    observe::{Observe, ObserveAddr},
    plugin::Plugin,
    portcullis::{
        Admin, Admission, EvaluationLimits, Identity, Isolation, Log, Portcullis, ProcessMemory,
        Shutdown,
    },
    problem::{MAX_PROBLEMS, Problem, Problems},
    telemetry::Telemetry,
    tls::{AllowedCaller, Tls},
};
use self::{
    keys::Keys,
    problem::{Complaint, Report},
    section::Section,
    services::{AwsEnvironment, Services},
};
use crate::{
    input,
    policy::{LoadOptions, bundle::Verification},
    services::Service,
    sources::bundles::Source,
    status::Options,
    traces,
};

/// A valid configuration. Its default is that of no file at all.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `plugins.envoy_ext_authz_grpc`.
    pub plugin: Plugin,
    /// `portcullis`.
    pub portcullis: Portcullis,
    /// `services`, in the order of their names.
    pub services: Vec<Arc<Service>>,
    /// `bundles`, in the order of their names, with what `keys` and `portcullis.bundles` say of each.
    pub bundles: Vec<Source>,
    /// `keys`, for the bundles that the command line names: with one key they must be signed too.
    pub verification: Arc<Verification>,
    /// `discovery`: where more of these sections come from.
    pub discovery: Option<Discovery>,
    /// `status`: who is told about the bundles; `None`: nobody.
    pub status: Option<Options>,
    /// `decision_logs`: who gets a record of each check; `None`: nobody.
    pub decision_logs: Option<DecisionLogs>,
    /// `distributed_tracing`: where spans go; `None`: checks have none.
    pub distributed_tracing: Option<traces::Options>,
    /// `labels` of this instance.
    pub labels: BTreeMap<String, String>,
    /// `persistence_directory`: where the last good keys of token providers are kept, so that a
    /// restart without their issuer still serves; `None`: nowhere. Bundles that are kept without it
    /// are in `.opa`, and know that themselves.
    pub persistence_directory: Option<PathBuf>,
    /// What an operator should know: unset variables, keys without effect.
    pub warnings: Vec<String>,
    aws: AwsEnvironment,
    /// What is meant where no service is named.
    default_service: Option<String>,
    document: Document,
}

/// A configuration together with what was discovered.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Both together; but for `services`, `keys`, `bundles`, `status` and `labels` it is the one of
    /// the start.
    pub config: Config,
    /// Discovered keys that those of the start stand over.
    pub overridden: Vec<String>,
    /// Discovered sections that need a restart, and are left out.
    pub not_applied: Vec<String>,
}

/// Where a configuration comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// `--config-file`; JSON when it is called `.json`, else YAML.
    pub file: Option<&'a Path>,
    /// `--set`, in order.
    pub set: &'a [String],
    /// `--set-file`, in order; applied after every `--set`.
    pub set_file: &'a [String],
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}

impl Config {
    /// Reads and checks the configuration that is `given`.
    pub fn load(given: Given<'_>, env: Environment<'_>) -> Result<Self, ConfigError> {
        let origin = given.file.map_or_else(
            || "the command line".to_owned(),
            |file| file.display().to_string(),
        );
        let report = Report::default();
        let mut unset = BTreeSet::new();
        let mut document = match given.file {
            None => Map::new(),
            Some(path) => {
                let text = file::text(path).map_err(|source| ConfigError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?;
                let text = environment::substitute(&text, env, &mut unset);
                let json = path
                    .extension()
                    .is_some_and(|extension| extension == "json");
                document::parse(&text, json).unwrap_or_else(|complaint| {
                    report.add("", complaint);
                    Map::new()
                })
            }
        };
        let over = read_overrides(given, env, &report, &mut unset);
        overrides::merge(&mut document, over);
        let aws = AwsEnvironment::of(env);
        let mut config = Self::read(&Value::Object(document), &report, aws, None);
        report.into_result(&origin)?;
        if !unset.is_empty() {
            config.warnings.push(unset_warning(&unset));
        }
        Ok(config)
    }

    /// This configuration, the one of the start, laid over the one that was `found`.
    pub fn discovered(&self, found: &Map<String, Value>) -> Result<Discovered, Problems> {
        let report = Report::default();
        let merged = discovery::merge(&self.document.0, found);
        for key in merged.forbidden {
            let complaint = Complaint::new("cannot be changed by discovery");
            report.add(key, complaint.hint("change it at the start, and restart"));
        }
        let document = Value::Object(merged.document);
        let (aws, default) = (self.aws.clone(), self.default_service.clone());
        let mut config = Self::read(&document, &report, aws, default);
        report.into_result("the discovered configuration")?;
        // By whom discovery is signed was decided at the start.
        config.discovery.clone_from(&self.discovery);
        Ok(Discovered {
            config,
            overridden: merged.overridden,
            not_applied: merged.not_applied,
        })
    }

    /// The configuration as it was given, overrides applied, with every secret masked.
    pub fn redacted(&self) -> Value {
        redacted::redact(&self.document.0)
    }

    /// What the input document looks like; the descriptors of
    /// [`proto_descriptor`](Plugin::proto_descriptor) are left to be added.
    pub fn input_options(&self) -> input::Options {
        input::Options {
            encoding: self.portcullis.input_encoding,
            skip_request_body_parse: self.plugin.skip_request_body_parse,
            lenient_query: self.portcullis.lenient_query,
            descriptors: None,
        }
    }

    /// How policies are loaded.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            entrypoint: self.plugin.entrypoint.clone(),
            v0_compatible: self.portcullis.v0_compatible,
            strict_builtin_errors: self.portcullis.strict_builtin_errors,
        }
    }

    fn read(
        document: &Value,
        report: &Report,
        aws: AwsEnvironment,
        default_service: Option<String>,
    ) -> Self {
        Section::read(report, String::new(), Some(document), |root| {
            let mut without_effect = Vec::new();
            for (name, shape) in opa::SECTIONS {
                if let Some(value) = root.raw(name) {
                    schema::check(report, name, shape, value);
                    if !HAVE_EFFECT.contains(name) {
                        without_effect.push(format!("`{name}`"));
                    }
                }
            }
            let persistence_directory = persistence_directory(root);
            let labels = root.texts("labels", |name, value| {
                Ok((name.to_owned(), value.to_owned()))
            });
            let plugin = root.section("plugins", |plugins| read_plugin(plugins));
            let distributed_tracing = distributed_tracing::read(root);
            let portcullis = root.section("portcullis", Portcullis::read);
            check_addresses(report, &plugin, &portcullis);
            let services = Services::read(root, &aws, default_service);
            let persistence = persistence_directory.as_deref();
            let policy = PolicySections::read(root, &services, &portcullis.bundles, persistence);
            let manual = discovery::is_manual(root);
            let decision_logs =
                decision_logs::read(root, &services, &portcullis.decision_logs, manual);
            let kept = portcullis.jwt.fetches() || policy.persist();
            if persistence_directory.is_some() && !kept {
                without_effect.push(format!("`{PERSISTENCE}`"));
            }
            if plugin.max_send_msg_size.is_some() {
                without_effect.push(format!("`plugins.{PLUGIN}.{}`", plugin::MAX_SEND));
            }
            let mut warnings = warnings(&without_effect, plugin.dry_run);
            warnings.append(&mut report.take_warnings());
            Self {
                plugin,
                portcullis,
                services: services.all(),
                bundles: policy.bundles,
                verification: policy.verification,
                discovery: policy.discovery,
                status: policy.status,
                decision_logs,
                distributed_tracing,
                labels: labels.into_iter().collect(),
                persistence_directory,
                warnings,
                aws,
                default_service: services.default_name().map(str::to_owned),
                document: Document(document.clone()),
            }
        })
    }
}

/// The sections about where policy comes from, and who is told.
struct PolicySections {
    bundles: Vec<Source>,
    verification: Arc<Verification>,
    discovery: Option<Discovery>,
    status: Option<Options>,
}

impl PolicySections {
    fn read(
        root: &mut Section<'_>,
        services: &Services,
        ours: &Bundles,
        persistence: Option<&Path>,
    ) -> Self {
        let keys = Keys::read(root);
        let given = bundles::Given {
            services,
            keys: &keys,
            ours,
            persistence: persistence.unwrap_or_else(|| Path::new(OPAS_FOLDER)),
            discovery: root.raw("discovery").is_some(),
            manual: discovery::is_manual(root),
        };
        Self {
            bundles: bundles::read(root, given),
            verification: keys.of_paths(),
            discovery: discovery::read(root, given),
            status: status::read(root, services, given.manual),
        }
    }

    /// Whether one of them is kept on disk.
    fn persist(&self) -> bool {
        let discovery = self.discovery.iter().map(|discovery| &discovery.source);
        let mut sources = self.bundles.iter().chain(discovery);
        sources.any(|source| source.persist.is_some())
    }
}

/// The document with its secrets; shows itself without them.
#[derive(Clone)]
struct Document(Value);

impl Default for Document {
    fn default() -> Self {
        Self(Value::Object(Map::new()))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&redacted::redact(&self.0), f)
    }
}

fn read_plugin(plugins: &mut Section<'_>) -> Plugin {
    if plugins.raw(PLUGIN).is_some() && plugins.raw(PLUGIN_ALIAS).is_some() {
        let message = format!("is the same plugin as `{PLUGIN}`; give one of them");
        plugins.problem(PLUGIN_ALIAS, Complaint::new(message));
    }
    let aliased = plugins.optional_section(PLUGIN_ALIAS, Plugin::read);
    let named = plugins.optional_section(PLUGIN, Plugin::read);
    named.or(aliased).unwrap_or_default()
}

/// As in OPA, empty text is the same as no key.
fn persistence_directory(root: &mut Section<'_>) -> Option<PathBuf> {
    let given = root.raw(PERSISTENCE).and_then(Value::as_str);
    given.filter(|folder| !folder.is_empty())?;
    root.value(PERSISTENCE, value::path)
}

fn check_addresses(report: &Report, plugin: &Plugin, portcullis: &Portcullis) {
    let (checks, admin) = (&plugin.addr, &portcullis.admin.addr);
    if checks == admin && !checks.is_chosen_by_the_system() {
        let complaint = Complaint::new(format!("`{admin}` is where checks are answered"));
        report.add("portcullis.admin.addr", complaint);
    }
    let ObserveAddr::At(observe) = &portcullis.observe.addr else {
        return;
    };
    for (taken, by) in [
        (checks, "checks are answered"),
        (admin, "the admin port is"),
    ] {
        if observe == taken && !observe.is_chosen_by_the_system() {
            let complaint = Complaint::new(format!("`{observe}` is where {by}"));
            report.add("portcullis.observe.addr", complaint);
        }
    }
}

fn read_overrides(
    given: Given<'_>,
    env: Environment<'_>,
    report: &Report,
    unset: &mut BTreeSet<String>,
) -> Map<String, Value> {
    let mut over = Map::new();
    for text in given.set {
        let replaced = environment::substitute(text, env, unset);
        if let Err(complaint) = overrides::assign(&mut over, &replaced, overrides::typed) {
            report.add(argument("--set", text), complaint);
        }
    }
    for text in given.set_file {
        let read = |cursor: &mut overrides::Cursor<'_>| {
            let (path, _) = cursor.until(&[',']);
            let path = Path::new(&path);
            match file::text(path) {
                Ok(content) => Ok(Value::String(content.trim().to_owned())),
                Err(error) => Err(file::unreadable(path, &error)),
            }
        };
        if let Err(complaint) = overrides::assign(&mut over, text, read) {
            report.add(argument("--set-file", text), complaint);
        }
    }
    over
}

fn argument(flag: &str, text: &str) -> String {
    format!("{flag} {}", overrides::name_of(text))
        .trim()
        .to_owned()
}

fn warnings(without_effect: &[String], dry_run: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if !without_effect.is_empty() {
        let keys = without_effect.join(", ");
        warnings.push(format!("these keys have no effect in this version: {keys}"));
    }
    if dry_run {
        let key = format!("plugins.{PLUGIN}.dry-run");
        warnings.push(format!("`{key}` is on: every request is let through"));
    }
    warnings
}

fn unset_warning(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", value::shown(name)))
        .collect();
    format!(
        "these variables are not set and were replaced by nothing: {}",
        names.join(", ")
    )
}

/// The plugin's name in the configuration, and in OPA's health endpoint.
pub const PLUGIN: &str = "envoy_ext_authz_grpc";
const PLUGIN_ALIAS: &str = "envoy.ext_authz.grpc";
/// Sections without a reader of their own that have an effect.
const HAVE_EFFECT: [&str; 2] = [PERSISTENCE, "nd_builtin_cache"];
/// Where OPA keeps bundles when it is not told where.
const OPAS_FOLDER: &str = ".opa";
const PERSISTENCE: &str = "persistence_directory";
