//! The file of endpoints from which an Envoy learns where the gates are, in the place of a control plane.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{envoy::Envoy, soon};

/// The file; removed when dropped.
pub(crate) struct Endpoints {
    folder: TempDir,
}

impl Endpoints {
    /// Gates on these ports.
    pub(crate) fn of(ports: &[u16]) -> Self {
        let folder = TempDir::new().unwrap();
        let endpoints = Self { folder };
        endpoints.write(ports);
        endpoints
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("endpoints.json")
    }

    /// Other ports, from now on; waits until `envoy` has heard of them.
    pub(crate) async fn change(&self, ports: &[u16], envoy: &Envoy) {
        self.write(ports);
        let mut wanted: Vec<u64> = ports.iter().map(|port| u64::from(*port)).collect();
        wanted.sort_unstable();
        soon(async { while known(envoy).await != wanted {} }).await;
    }

    /// By a rename: Envoy looks for nothing else.
    fn write(&self, ports: &[u16]) {
        let endpoint = |port: &u16| {
            let address = json!({"address": "127.0.0.1", "port_value": port});
            json!({"endpoint": {"address": {"socket_address": address}}})
        };
        let endpoints: Vec<_> = ports.iter().map(endpoint).collect();
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": "gate",
            "endpoints": [{"lb_endpoints": endpoints}],
        });
        let next = self.folder.path().join("next.json");
        fs::write(&next, json!({"resources": [resource]}).to_string()).unwrap();
        fs::rename(next, self.path()).unwrap();
    }
}

/// The ports of the gates that Envoy knows, in order.
async fn known(envoy: &Envoy) -> Vec<u64> {
    let all = envoy.ask("clusters?format=json").await;
    let mut clusters = all["cluster_statuses"].as_array().unwrap().iter();
    let gate = clusters.find(|cluster| cluster["name"] == "gate").unwrap();
    let hosts = gate["host_statuses"].as_array().into_iter().flatten();
    let port = |host: &Value| host["address"]["socket_address"]["port_value"].as_u64();
    let mut ports: Vec<_> = hosts.map(|host| port(host).unwrap()).collect();
    ports.sort_unstable();
    ports
}
