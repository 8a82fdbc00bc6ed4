//! Arguments of `opa run` that name nothing of ours: a deployment of opa-envoy has them, and changing its
//! image is to be enough.
//!
//! Promises that each is given its meaning, named in the log as without effect, or refused with what to
//! do instead; none is swallowed. Values are written as OPA reads them: `--pprof=true` is `--pprof`.

use anyhow::Result;
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, parser::ValueSource,
    value_parser,
};

use super::Usage;

/// Which of them were given.
#[derive(Clone, Debug, Default)]
pub(super) struct OpaArguments {
    given: Vec<&'static Argument>,
    /// Overrides of the configuration that mean the same.
    pub(super) set: Vec<String>,
}

impl OpaArguments {
    /// Refuses what would be missed.
    pub(super) fn check(&self) -> Result<()> {
        let refused = self.given.iter().find_map(|argument| match argument.fate {
            Fate::Refused(instead) => Some(format!("`--{}`: {instead}", argument.name)),
            Fate::Silent | Fate::Rest | Fate::Unneeded | Fate::Seconds(_) => None,
        });
        refused.map_or(Ok(()), |text| Err(Usage(text).into()))
    }

    /// One line for each reason why arguments have no effect.
    pub(super) fn warnings(&self) -> Vec<String> {
        let named = |fate: fn(&Fate) -> bool, why: &str| {
            let of_fate = self.given.iter().filter(|argument| fate(&argument.fate));
            let names: Vec<_> = of_fate.map(|a| format!("`--{}`", a.name)).collect();
            let have = if names.len() == 1 { "has" } else { "have" };
            (!names.is_empty()).then(|| format!("{} {have} no effect: {why}", names.join(", ")))
        };
        let rest = named(|fate| matches!(fate, Fate::Rest), NO_REST);
        let unneeded = named(|fate| matches!(fate, Fate::Unneeded), NOT_NEEDED);
        rest.into_iter().chain(unneeded).collect()
    }
}

impl FromArgMatches for OpaArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut arguments = Self::default();
        arguments.update_from_arg_matches(matches)?;
        Ok(arguments)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for argument in ARGUMENTS {
            let name = argument.name;
            if matches.value_source(name) != Some(ValueSource::CommandLine) {
                continue;
            }
            let off = argument.kind == Kind::Switch && !matches.get_one(name).is_some_and(|on| *on);
            if off {
                continue;
            }
            if let Fate::Seconds(key) = argument.fate {
                let seconds: Option<&u64> = matches.get_one(name);
                self.set.extend(seconds.map(|s| format!("{key}={s}s")));
            }
            self.given.push(argument);
        }
        Ok(())
    }
}

impl Args for OpaArguments {
    fn augment_args(command: Command) -> Command {
        command.args(ARGUMENTS.iter().map(Argument::described))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// One argument of `opa run`.
#[derive(Debug)]
struct Argument {
    name: &'static str,
    short: Option<char>,
    kind: Kind,
    fate: Fate,
}

/// What is written behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing, or `=true`, or `=false`.
    Switch,
    /// Any text.
    Text,
    /// A whole number of seconds.
    Number,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// What it asks for is always so.
    Silent,
    /// It is about OPA's own HTTP server.
    Rest,
    /// It is about what works differently here.
    Unneeded,
    /// It is this key of our configuration, in seconds.
    Seconds(&'static str),
    /// Who gives it relies on it; the text says what to do instead.
    Refused(&'static str),
}

impl Argument {
    const fn new(name: &'static str, kind: Kind, fate: Fate) -> Self {
        Self {
            name,
            short: None,
            kind,
            fate,
        }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    /// For the parser; hidden, because the help is about what has an effect.
    fn described(&self) -> Arg {
        let argument = Arg::new(self.name).long(self.name).hide(true);
        // What is given twice counts as it was given last.
        let argument = match self.kind {
            Kind::Switch | Kind::Number => argument.overrides_with(self.name),
            Kind::Text => argument,
        };
        let argument = match self.short {
            Some(short) => argument.short(short),
            None => argument,
        };
        match self.kind {
            Kind::Switch => argument
                .value_parser(value_parser!(bool))
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
            Kind::Text => argument.action(ArgAction::Append).allow_hyphen_values(true),
            Kind::Number => argument.value_parser(value_parser!(u64)),
        }
    }
}

const ARGUMENTS: &[Argument] = &[
    Argument::new("server", Kind::Switch, Fate::Silent).short('s'),
    Argument::new("v1-compatible", Kind::Switch, Fate::Silent),
    Argument::new("disable-telemetry", Kind::Switch, Fate::Silent),
    Argument::new("skip-version-check", Kind::Switch, Fate::Silent),
    Argument::new("addr", Kind::Text, Fate::Rest).short('a'),
    Argument::new("authentication", Kind::Text, Fate::Rest),
    Argument::new("authorization", Kind::Text, Fate::Rest),
    Argument::new("h2c", Kind::Switch, Fate::Rest),
    Argument::new("log-level-request", Kind::Text, Fate::Rest),
    Argument::new("min-tls-version", Kind::Text, Fate::Rest),
    Argument::new("pprof", Kind::Switch, Fate::Rest),
    Argument::new("tls-ca-cert-file", Kind::Text, Fate::Rest),
    Argument::new("tls-cert-file", Kind::Text, Fate::Rest),
    Argument::new("tls-cert-refresh-period", Kind::Text, Fate::Rest),
    Argument::new("tls-cipher-suites", Kind::Text, Fate::Rest),
    Argument::new("tls-private-key-file", Kind::Text, Fate::Rest),
    Argument::new("unix-socket-perm", Kind::Text, Fate::Rest),
    Argument::new("log-timestamp-format", Kind::Text, Fate::Unneeded),
    Argument::new("max-errors", Kind::Text, Fate::Unneeded).short('m'),
    Argument::new(
        "optimize-store-for-read-speed",
        Kind::Switch,
        Fate::Unneeded,
    ),
    Argument::new("ready-timeout", Kind::Text, Fate::Unneeded),
    Argument::new("skip-known-schema-check", Kind::Switch, Fate::Unneeded),
    Argument::new("shutdown-wait-period", Kind::Number, Fate::Seconds(GRACE)),
    Argument::new("shutdown-grace-period", Kind::Number, Fate::Seconds(DRAIN)),
    Argument::new("watch-config", Kind::Switch, Fate::Refused(NO_WATCH)),
];

const GRACE: &str = "portcullis.shutdown.grace";
const DRAIN: &str = "portcullis.shutdown.drain_timeout";

const NO_REST: &str = "OPA's REST API is not served; health and metrics are at `--diagnostic-addr` \
(`portcullis.admin.addr`), TLS on the gRPC port is `portcullis.tls`";
const NOT_NEEDED: &str = "time stamps are RFC 3339, every problem is reported, and checks are answered \
when everything is ready";
const NO_WATCH: &str = "the configuration is read at the start only; restart on a change, or bring \
what changes by `discovery`";
