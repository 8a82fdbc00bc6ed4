//! Callers that ask all the time.

use std::sync::Arc;

use reqwest::Client;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    mesh::{LOADED, Load, Told},
    soon,
};

/// Callers as tasks, each with a connection of its own.
pub(super) struct Callers {
    over: watch::Sender<bool>,
    answered: Arc<watch::Sender<usize>>,
    tasks: Vec<JoinHandle<Vec<Told>>>,
}

impl Callers {
    /// Begins four of them, each with a client of its own.
    pub(super) fn begin(urls: &[String; LOADED.len()], client: impl Fn() -> Client) -> Self {
        let (over, ends) = watch::channel(false);
        let answered = Arc::new(watch::Sender::new(0));
        let tasks = (0..4).map(|_| {
            let answered = Arc::clone(&answered);
            tokio::spawn(call(client(), urls.clone(), ends.clone(), answered))
        });
        Self {
            tasks: tasks.collect(),
            over,
            answered,
        }
    }
}

impl Load for Callers {
    async fn goes_on(&mut self, more: usize) {
        let mut answered = self.answered.subscribe();
        let until = *answered.borrow() + more;
        soon(answered.wait_for(|answered| *answered >= until))
            .await
            .unwrap();
    }

    async fn end(self) -> Vec<Vec<Told>> {
        self.over.send_replace(true);
        let mut told = Vec::new();
        for task in self.tasks {
            told.push(soon(task).await.unwrap());
        }
        told
    }
}

async fn call(
    client: Client,
    urls: [String; LOADED.len()],
    over: watch::Receiver<bool>,
    answered: Arc<watch::Sender<usize>>,
) -> Vec<Told> {
    let mut all = Vec::new();
    while !*over.borrow() {
        for url in &urls {
            let answer = soon(client.get(url).send()).await.unwrap();
            let number = |name| answer.headers().get(name)?.to_str().ok()?.parse().ok();
            all.push(Told {
                path: answer.url().path().to_owned(),
                status: answer.status().as_u16(),
                policy: number("x-policy"),
                data: number("x-data"),
                release: number("x-release"),
            });
            // Read to its end, so that the connection goes on.
            answer.bytes().await.unwrap();
            answered.send_modify(|answered| *answered += 1);
        }
    }
    all
}
