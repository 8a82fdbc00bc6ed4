//! The embedded default policy: the quick start of the policy library, compiled into the binary.

use crate::policy::PolicyFile;

/// The files that `policies/quickstart/files.txt` names, in that order.
pub fn quickstart() -> Vec<PolicyFile> {
    QUICKSTART
        .iter()
        .map(|(name, text)| PolicyFile {
            name: (*name).to_owned(),
            data_path: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect()
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../policies/", $name)))),*]
    };
}

const QUICKSTART: &[(&str, &str)] = embedded![
    "admin_paths/admin_paths.rego",
    "call_graph/call_graph.rego",
    "claim_scoped_writes/claim_scoped_writes.rego",
    "gateway_only/gateway_only.rego",
    "jwt_required/jwt_required.rego",
    "metrics_scraping/metrics_scraping.rego",
    "premium_tier/premium_tier.rego",
    "sandbox/sandbox.rego",
    "quickstart/quickstart.rego",
    "quickstart/data.json",
];
