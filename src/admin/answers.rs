//! What each admin endpoint answers.

use std::collections::BTreeSet;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Views, scrape};
use crate::ready::Readiness;

/// All endpoints over `views`.
pub(super) fn router(views: Views) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(scrape::metrics))
        .route("/version", get(version))
        .route("/config", get(config))
        .route("/policy", get(policy))
        .route("/status", get(status))
        .with_state(views)
}

async fn readyz(State(views): State<Views>) -> Response {
    let (status, mut body) = match views.ready.current() {
        Readiness::Ready => (StatusCode::OK, json!({"ready": true})),
        Readiness::Pending(names) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"ready": false, "pending": names}),
        ),
        Readiness::Draining => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"ready": false, "draining": true}),
        ),
    };
    let bundles = (views.bundles)();
    if let (Some(body), false) = (body.as_object_mut(), bundles.is_empty()) {
        body.insert("bundles".to_owned(), bundles.into());
    }
    (status, Json(body)).into_response()
}

/// OPA's `GET /health`: bundles are looked at before plugins, each only when asked for.
async fn health(
    State(views): State<Views>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    let health = (views.health)();
    if asks(&parameters, &["bundle", "bundles"]) && !health.bundles_activated {
        return unhealthy("one or more bundles are not activated");
    }
    let excluded: BTreeSet<&str> = parameters
        .iter()
        .filter(|(key, _)| key == "exclude-plugin")
        .map(|(_, name)| name.as_str())
        .collect();
    let down = health
        .plugins
        .iter()
        .any(|(name, up)| !up && !excluded.contains(name.as_str()));
    if asks(&parameters, &["plugins"]) && down {
        return unhealthy("one or more plugins are not up");
    }
    Json(json!({})).into_response()
}

/// OPA's boolean parameters: `?key`, `?key=` and, among several, any `?key=true`.
fn asks(parameters: &[(String, String)], keys: &[&str]) -> bool {
    keys.iter().any(|key| {
        let mut values = parameters.iter().filter(|(k, _)| k == key).map(|(_, v)| v);
        match (values.clone().count(), values.next()) {
            (1, Some(value)) if value.is_empty() => true,
            (_, Some(first)) => std::iter::once(first)
                .chain(values)
                .any(|value| value.eq_ignore_ascii_case("true")),
            (_, None) => false,
        }
    })
}

fn unhealthy(error: &str) -> Response {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        Json(json!({"error": error})),
    )
        .into_response()
}

async fn version(State(views): State<Views>) -> Json<Value> {
    Json(views.version)
}

async fn config(State(views): State<Views>) -> Json<Value> {
    Json(views.config)
}

async fn policy(State(views): State<Views>) -> Json<Value> {
    Json((views.policy)())
}

async fn status(State(views): State<Views>) -> Json<Value> {
    Json((views.status)())
}
