//! The command line: arguments, exit codes and the only place that reads the environment.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for `decide` with `--expect`: every verdict was the expected one |
//! | 1 | a start or an operation failed, a verdict was not the expected one, a bundle not verified, a test failed, a gate does not serve |
//! | 64 | the arguments, the configuration or the policy are wrong (`EX_USAGE`) |

mod archive;
mod build;
mod check_config;
mod decide;
mod demo;
mod explain;
mod gate;
mod health;
mod inspect;
mod load;
mod observe;
mod opa;
mod pull;
mod push;
mod registry;
mod requests;
mod run;
mod sign;
mod signing;
mod table;
mod test;
mod verify;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::version::{COMMIT, REGORUS, VERSION};

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // A closed output is no reason to fail in another way.
            error.print().ok();
            return ExitCode::from(code);
        }
    };
    let result = match arguments.command {
        Command::Run(run) => run::run(&run),
        Command::Build(build) => build::run(&build),
        Command::CheckConfig(check) => check_config::run(&check),
        Command::Decide(decide) => decide::run(&decide),
        Command::Demo(demo) => demo::run(&demo),
        Command::Explain(explain) => explain::run(&explain),
        Command::Health(health) => health::run(&health),
        Command::Inspect(inspect) => inspect::run(&inspect),
        Command::Observe(observe) => observe::run(&observe),
        Command::Sign(sign) => sign::run(&sign),
        Command::Test(test) => test::run(&test),
        Command::Verify(verify) => verify::run(&verify),
        Command::Push(push) => push::run(&push),
        Command::Pull(pull) => pull::run(&pull),
        Command::Version => print_version(),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        ExitCode::from(if error.is::<Usage>() { USAGE } else { 1 })
    })
}

/// Envoy ext_authz gRPC authorization server: SPIFFE identity, Rego policies, closed on every failure
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve checks
    Run(run::Run),
    /// Build a bundle of policy and data files
    Build(build::Build),
    /// Validate a configuration, naming every problem, and start nothing
    CheckConfig(check_config::CheckConfig),
    /// Decide saved CheckRequests offline
    Decide(decide::Decide),
    /// Serve the quick-start policy, play captured requests at it and show the answers
    Demo(demo::Demo),
    /// Tell why a decision log record or a saved CheckRequest was allowed or denied
    Explain(explain::Explain),
    /// Ask a running gate whether it serves
    Health(health::Health),
    /// Show what a policy is made of: packages, rules, evaluator, what of the input it reads
    Inspect(inspect::Inspect),
    /// Show the decisions of a running gate, those just made and those to come
    Observe(observe::Observe),
    /// Sign a bundle
    Sign(sign::Sign),
    /// Run the tests that come with a policy
    Test(test::Test),
    /// Verify the signature of a bundle
    Verify(verify::Verify),
    /// Put a bundle into an OCI registry
    Push(push::Push),
    /// Get a bundle out of an OCI registry
    Pull(pull::Pull),
    /// Print the version
    Version,
}

/// Where the configuration comes from; shared by all commands that have one.
#[derive(Args, Clone, Debug, Default)]
struct ConfigArguments {
    /// Configuration file, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Override one value, as in `plugins.envoy_ext_authz_grpc.addr=:9191`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Override one value with the content of a file
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
}

/// Which policy to load; shared by all commands that load one.
#[derive(Args, Clone, Debug, Default)]
struct PolicyArguments {
    /// Rego files, data files, bundle archives and folders of them; none: the embedded default
    #[arg(value_name = "PATHS")]
    paths: Vec<String>,
    /// Load this path as a bundle
    #[arg(short, long, value_name = "PATH")]
    bundle: Vec<String>,
    /// Leave out files and folders whose name matches; several are divided by commas
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Read modules without `import rego.v1` as Rego v0
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, overrides_with = "v0_compatible")]
    v0_compatible: bool,
    #[command(flatten)]
    verification: signing::VerificationArguments,
}

/// Wrong arguments, configuration or policy: exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn print_version() -> anyhow::Result<ExitCode> {
    let commit = COMMIT.unwrap_or("unknown");
    print(&format!(
        "portcullis {VERSION}\ncommit {commit}\nregorus {REGORUS}"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output: data, for people and pipes.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// Writes to standard error: talk. A closed standard error is no reason to fail.
fn complain(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}

const USAGE: u8 = 64;

/// For people, what the header of this file says.
const EXIT_CODES: &str = "\
Exit codes:
  0   done; `decide --expect`: every verdict was the expected one
  1   a start or an operation failed, a verdict was not the expected one, a bundle is not verified,
      a test failed, a gate does not serve
  64  the arguments, the configuration or the policy are wrong";
