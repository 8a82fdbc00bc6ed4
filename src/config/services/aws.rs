//! `services.*.credentials.s3_signing`: where AWS keys come from.
//!
//! The environment is looked at once, when the configuration is read, so that one that comes later
//! (discovery) sees the same.

use std::path::PathBuf;

use super::super::{
    environment::Environment,
    problem::Complaint,
    section::Section,
    value::{choice, text},
};
use crate::{
    redact::Secret,
    services::{AwsCredentials, ContainerMetadata, S3Signing},
};

/// What AWS' own tools read from the environment; empty variables count as not set.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct AwsEnvironment {
    access_key_id: Option<String>,
    secret_access_key: Option<Secret<String>>,
    session_token: Option<Secret<String>>,
    region: Option<String>,
    role_arn: Option<String>,
    token_file: Option<PathBuf>,
    container: Option<ContainerMetadata>,
}

impl AwsEnvironment {
    pub(in crate::config) fn of(env: Environment<'_>) -> Self {
        let get = |name: &str| env(name).filter(|value| !value.is_empty());
        let token = get("AWS_SECURITY_TOKEN").or_else(|| get("AWS_SESSION_TOKEN"));
        Self {
            access_key_id: get("AWS_ACCESS_KEY_ID"),
            secret_access_key: get("AWS_SECRET_ACCESS_KEY").map(Secret::new),
            session_token: token.map(Secret::new),
            region: get("AWS_REGION"),
            role_arn: get("AWS_ROLE_ARN"),
            token_file: get("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from),
            container: container(get),
        }
    }
}

/// A container's own metadata service, as ECS and EKS announce it.
fn container(get: impl Fn(&str) -> Option<String>) -> Option<ContainerMetadata> {
    if let Some(path) = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return Some(ContainerMetadata::Task(path));
    }
    Some(ContainerMetadata::Pod {
        url: get("AWS_CONTAINER_CREDENTIALS_FULL_URI")?,
        token_file: get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")?.into(),
    })
}

pub(super) fn read(section: &mut Section<'_>, env: &AwsEnvironment) -> S3Signing {
    section.value("signature_version", choice(&[("4", ())]));
    for key in section.given(&UNSUPPORTED) {
        let complaint = Complaint::new("is not supported").hint(
            "use `environment_credentials`, `web_identity_credentials` or `metadata_credentials`",
        );
        section.problem(key, complaint);
    }
    let service = section.value("service", |value| text(value).map(str::to_owned));
    let given = section.given(&SUPPORTED);
    if given.is_empty() {
        let complaint = Complaint::new("is missing")
            .hint("or use `web_identity_credentials` or `metadata_credentials`");
        section.problem("environment_credentials", complaint);
    }
    // What the environment lacks is no problem while another way is left.
    let alone = given.len() == 1;
    let sources = [
        section
            .optional_section("environment_credentials", |keys| {
                environment(keys, env, alone)
            })
            .flatten(),
        section
            .optional_section("web_identity_credentials", |keys| {
                web_identity(keys, env, alone)
            })
            .flatten(),
        section
            .optional_section("metadata_credentials", |keys| metadata(keys, env))
            .flatten(),
    ];
    let from: Vec<AwsCredentials> = sources.into_iter().flatten().collect();
    if from.is_empty() && given.len() > 1 {
        section.complain(Complaint::new("none of them has what it needs"));
    }
    S3Signing {
        service: service.unwrap_or_else(|| "s3".to_owned()),
        from,
    }
}

fn environment(
    section: &mut Section<'_>,
    env: &AwsEnvironment,
    alone: bool,
) -> Option<AwsCredentials> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", env.access_key_id.is_some()),
        ("AWS_SECRET_ACCESS_KEY", env.secret_access_key.is_some()),
        ("AWS_REGION", env.region.is_some()),
    ];
    report_unset(section, &variables, alone);
    Some(AwsCredentials::Environment {
        access_key_id: env.access_key_id.clone()?,
        secret_access_key: env.secret_access_key.clone()?,
        session_token: env.session_token.clone(),
        region: env.region.clone()?,
    })
}

fn web_identity(
    section: &mut Section<'_>,
    env: &AwsEnvironment,
    alone: bool,
) -> Option<AwsCredentials> {
    let region = region(section, env, alone);
    let session_name = section.value("session_name", |value| text(value).map(str::to_owned));
    let variables = [
        ("AWS_ROLE_ARN", env.role_arn.is_some()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", env.token_file.is_some()),
    ];
    report_unset(section, &variables, alone);
    Some(AwsCredentials::WebIdentity {
        region: region?,
        role_arn: env.role_arn.clone()?,
        token_file: env.token_file.clone()?,
        session_name: session_name.unwrap_or_else(|| "open-policy-agent".to_owned()),
    })
}

fn metadata(section: &mut Section<'_>, env: &AwsEnvironment) -> Option<AwsCredentials> {
    let iam_role = section.value("iam_role", |value| text(value).map(str::to_owned));
    let region = region(section, env, true)?;
    // As in OPA: who names a role means the instance's.
    Some(match (iam_role, &env.container) {
        (None, Some(at)) => AwsCredentials::Container {
            region,
            at: at.clone(),
        },
        (iam_role, _) => AwsCredentials::Metadata { region, iam_role },
    })
}

fn region(section: &mut Section<'_>, env: &AwsEnvironment, needed: bool) -> Option<String> {
    let given = section.value("aws_region", |value| text(value).map(str::to_owned));
    let region = given.or_else(|| env.region.clone());
    if region.is_none() && needed {
        let complaint = Complaint::new("is missing, and the variable `AWS_REGION` is not set");
        section.problem("aws_region", complaint);
    }
    region
}

fn report_unset(section: &Section<'_>, variables: &[(&str, bool)], needed: bool) {
    for (name, _) in variables.iter().filter(|(_, is_set)| needed && !is_set) {
        section.complain(Complaint::new(format!("the variable `{name}` is not set")));
    }
}

/// In the order they are tried.
const SUPPORTED: [&str; 3] = [
    "environment_credentials",
    "web_identity_credentials",
    "metadata_credentials",
];
const UNSUPPORTED: [&str; 3] = [
    "profile_credentials",
    "assume_role_credentials",
    "sso_credentials",
];
