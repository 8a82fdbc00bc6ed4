//! The configuration file of a gate.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

/// A configuration on disk; removed when dropped.
pub(crate) struct Configuration {
    _folder: TempDir,
    path: String,
}

impl Configuration {
    /// A file with these sections.
    pub(crate) fn new(sections: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.yaml");
        let path = path.to_str().unwrap().to_owned();
        let configuration = Self {
            _folder: folder,
            path,
        };
        configuration.replace(sections);
        configuration
    }

    /// Other sections, for the next start.
    pub(crate) fn replace(&self, sections: &Value) {
        fs::write(&self.path, sections.to_string()).unwrap();
    }

    /// The arguments that name it.
    pub(crate) fn arguments(&self) -> [&str; 2] {
        ["--config-file", &self.path]
    }
}
