//! Callers of a load: a loop of curl in a caller's pod each, which prints what it is told.

use std::sync::Arc;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    commands::Commands,
    mesh::{self, LOADED, Told},
};

/// Running callers.
pub(crate) struct Load {
    callers: Vec<(Child, ChildStdin, JoinHandle<Vec<Told>>)>,
    answered: Arc<watch::Sender<usize>>,
}

impl Load {
    /// Begins four of them in a pod.
    pub(crate) fn begin(
        commands: &Commands,
        namespace: &str,
        deployment: &str,
        urls: &[String; LOADED.len()],
    ) -> Self {
        let answered = Arc::new(watch::Sender::new(0));
        let mut callers = Vec::new();
        for _ in 0..4 {
            let place = [namespace, deployment, "caller", "--stdin"];
            let [open, closed] = urls;
            let shell = ["sh", "-c", CALLING, "sh", FORMAT, open, closed];
            let mut child = commands.begin(place, &shell);
            // While it is open the caller goes on.
            let stdin = child.stdin.take().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let answered = Arc::clone(&answered);
            let reading = tokio::spawn(async move {
                let mut all = Vec::new();
                while let Some(line) = lines.next_line().await.unwrap() {
                    all.push(told(&line));
                    answered.send_modify(|answered| *answered += 1);
                }
                all
            });
            callers.push((child, stdin, reading));
        }
        Self { callers, answered }
    }
}

impl mesh::Load for Load {
    async fn goes_on(&mut self, more: usize) {
        let mut answered = self.answered.subscribe();
        let until = *answered.borrow() + more;
        let enough = answered.wait_for(|answered| *answered >= until);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .unwrap()
            .unwrap();
    }

    async fn end(self) -> Vec<Vec<Told>> {
        let mut all = Vec::new();
        for (child, stdin, reading) in self.callers {
            drop(stdin);
            let ended = tokio::time::timeout(PATIENCE, child.wait_with_output());
            let ended = ended.await.unwrap().unwrap();
            let why = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.success(), "a caller got no answer: {why}");
            all.push(reading.await.unwrap());
        }
        all
    }
}

/// A line of [`FORMAT`].
fn told(line: &str) -> Told {
    let fields: Vec<_> = line.split('|').collect();
    let [url, status, policy, data, release] = fields[..] else {
        panic!("not a line of ours: {line}");
    };
    let path = url.splitn(4, '/').nth(3).unwrap();
    let number = |text: &str| text.parse().ok();
    Told {
        path: format!("/{path}"),
        status: status.parse().unwrap(),
        policy: number(policy),
        data: number(data),
        release: number(release),
    }
}

/// Both requests again and again until standard input ends; what begins in the background loses it, hence
/// its copy. A request without an answer ends it with curl's code.
const CALLING: &str = r#"
exec 3<&0
over=$(mktemp -u)
(cat <&3 >/dev/null; : >"$over") &
while [ ! -e "$over" ]; do
  curl --silent --show-error --max-time 60 --http1.1 --write-out "$1" -o /dev/null "$2" -o /dev/null "$3" || exit
done
"#;
/// What curl prints of each.
const FORMAT: &str =
    "%{url_effective}|%{http_code}|%header{x-policy}|%header{x-data}|%header{x-release}\\n";
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(4);
