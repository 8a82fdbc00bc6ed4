//! How a portcullis is run that is measured: a named row of what is compared.

use std::{fmt, str::FromStr};

/// Threads, cores and configuration of one server.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    /// Worker threads.
    pub(crate) threads: usize,
    /// The cores it may run on, as `taskset` writes them; the load is on the second.
    pub(crate) cores: String,
    /// `--set` arguments.
    pub(crate) set: Vec<String>,
}

/// The first core alone, everything else as it comes.
impl Default for Setting {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            threads: 1,
            cores: "0".to_owned(),
            set: Vec::new(),
        }
    }
}

impl Setting {
    /// Whether the load has to share its core.
    pub(crate) fn shares(&self) -> bool {
        self.cores != "0"
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            threads,
            cores,
            set,
        } = self;
        write!(f, "row `{name}`: threads={threads} cores={cores}")?;
        set.iter().try_for_each(|set| write!(f, " {set}"))
    }
}

impl FromStr for Setting {
    type Err = String;

    /// `NAME [threads=N] [cores=LIST] [CONFIG.KEY=VALUE]...`
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or("want a name")?.to_owned();
        let mut setting = Self {
            name,
            ..Self::default()
        };
        for word in words {
            match word.split_once('=') {
                Some(("threads", threads)) => {
                    setting.threads = threads.parse().map_err(|_| "`threads` wants a number")?;
                }
                Some(("cores", cores)) => cores.clone_into(&mut setting.cores),
                Some(_) => setting.set.push(word.to_owned()),
                None => return Err(format!("`{word}` is not `KEY=VALUE`")),
            }
        }
        Ok(setting)
    }
}
