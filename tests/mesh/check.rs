//! What callers are answered while everything is well.

use serde_json::{Value, json};

use super::{
    Mesh,
    wire::{
        Answer, BODY_LIMIT, Caller, OUTSIDER, Request, SLEEP, STRANGER, Target, forged_token,
        valid_token,
    },
};

/// Sends and expects an answer.
pub(crate) async fn answer(
    mesh: &impl Mesh,
    caller: Caller,
    target: Target,
    request: Request,
) -> Answer {
    let answer = mesh.send(caller, target, &request).await;
    answer.unwrap_or_else(|| panic!("{target:?} closed the connection: {request:?}"))
}

/// The status of `GET path`.
pub(crate) async fn status(mesh: &impl Mesh, caller: Caller, target: Target, path: &str) -> u16 {
    let answer = answer(mesh, caller, target, Request::get(path)).await;
    answer.status
}

/// Expects the gate's answer, and that the application heard nothing of it.
async fn refused(mesh: &impl Mesh, caller: Caller, request: Request, status: u16) -> Answer {
    let before = mesh.arrived().await;
    let told = answer(mesh, caller, Target::Closed, request).await;
    assert_eq!(told.status, status, "{told:?}");
    assert!(!told.is_of_application(), "{told:?}");
    assert_eq!(mesh.arrived().await, before);
    told
}

pub(crate) async fn an_allowed_caller_arrives_with_the_changes_of_the_policy(mesh: &mut impl Mesh) {
    let before = mesh.arrived().await;
    let request = Request::get("/orders?x=1")
        .header("x-internal", "secret")
        .header("x-caller", "forged");
    let told = answer(mesh, SLEEP, Target::Closed, request.clone()).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("x-policy"), Some("0"));
    let seen = told.seen();
    assert_eq!(seen["x-caller"], json!([SLEEP.spiffe_id()]));
    assert_eq!(seen["x-internal"], Value::Null);
    assert_eq!(seen[":uri"], "/orders?x=1");
    assert_eq!(mesh.arrived().await, before + 1);
    refused(mesh, STRANGER, request, 403).await;
}

pub(crate) async fn a_denial_brings_its_body_and_headers(mesh: &mut impl Mesh) {
    let told = refused(mesh, SLEEP, Request::get("/admin/users"), 403).await;
    assert_eq!(told.header("x-denied-by"), Some("portcullis"));
    assert_eq!(told.body, r#"{"error":"denied"}"#);
    assert_eq!(status(mesh, SLEEP, Target::Closed, "/orders").await, 200);
}

pub(crate) async fn a_caller_without_a_valid_token_is_told_to_log_in(mesh: &mut impl Mesh) {
    let forged = Request::get("/member").bearer(&forged_token());
    for request in [Request::get("/member"), forged] {
        let told = refused(mesh, SLEEP, request, 401).await;
        assert_eq!(told.header("www-authenticate"), Some("Bearer"));
        assert_eq!(told.body, "log in first");
    }
    let member = Request::get("/member").bearer(&valid_token());
    let told = answer(mesh, SLEEP, Target::Closed, member).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.seen()[":uri"], "/member");
}

pub(crate) async fn a_caller_without_mtls_has_no_principal(mesh: &mut impl Mesh) {
    for (caller, name) in [(OUTSIDER, "nobody".to_owned()), (SLEEP, SLEEP.spiffe_id())] {
        let told = answer(mesh, caller, Target::Closed, Request::get("/public")).await;
        assert_eq!(told.seen()["x-caller"], json!([name]));
    }
    refused(mesh, OUTSIDER, Request::get("/orders"), 403).await;
}

pub(crate) async fn an_identity_that_a_caller_claims_does_not_help_it(mesh: &mut impl Mesh) {
    let forge = |path: &str| {
        let element = format!("By=spiffe://cluster.local/x;URI={}", SLEEP.spiffe_id());
        Request::get(path)
            .header("x-forwarded-client-cert", &element)
            .header("x-envoy-downstream-service-cluster", "sleep.foo")
    };
    for (caller, name) in [
        (OUTSIDER, "nobody".to_owned()),
        (STRANGER, STRANGER.spiffe_id()),
    ] {
        refused(mesh, caller, forge("/orders"), 403).await;
        let told = answer(mesh, caller, Target::Closed, forge("/public")).await;
        assert_eq!(told.seen()["x-caller"], json!([name]));
    }
}

pub(crate) async fn a_caller_of_another_namespace_is_denied(mesh: &mut impl Mesh) {
    refused(mesh, STRANGER, Request::get("/orders"), 403).await;
    let told = answer(mesh, STRANGER, Target::Closed, Request::get("/public")).await;
    assert_eq!(told.seen()["x-caller"], json!([STRANGER.spiffe_id()]));
    assert_eq!(status(mesh, SLEEP, Target::Closed, "/orders").await, 200);
}

pub(crate) async fn a_grpc_caller_sees_the_status_that_fits_the_denial(mesh: &mut impl Mesh) {
    let forbidden = refused(mesh, STRANGER, Request::grpc("/shop.Orders/List"), 200).await;
    assert_eq!(forbidden.header("grpc-status"), Some("7"));
    let unknown = refused(mesh, SLEEP, Request::grpc("/shop.Members/Pay"), 200).await;
    assert_eq!(unknown.header("grpc-status"), Some("16"));
    assert_eq!(unknown.header("grpc-message"), Some("log in first"));
    // The same for a caller that does not speak gRPC.
    refused(mesh, SLEEP, Request::get("/shop.Members/Pay"), 401).await;
    let list = Request::grpc("/shop.Orders/List");
    let allowed = answer(mesh, SLEEP, Target::Closed, list).await;
    assert_eq!(allowed.seen()[":body"], 5);
}

pub(crate) async fn a_tcp_connection_is_let_through_for_the_named_workload_only(
    mesh: &mut impl Mesh,
) {
    // What the connection carries shows that it is open; the gate sees nothing of it.
    let request = Request::get("/admin/users");
    let before = mesh.arrived().await;
    let checks = mesh.metric("portcullis_checks_total").await;
    for caller in [STRANGER, OUTSIDER] {
        assert_eq!(mesh.send(caller, Target::Tcp, &request).await, None);
    }
    assert_eq!(mesh.arrived().await, before);
    let told = answer(mesh, SLEEP, Target::Tcp, request).await;
    assert_eq!(told.seen()["x-caller"], Value::Null);
    assert_eq!(mesh.arrived().await, before + 1);
    // One for each connection, and the gate's answers: nothing else closed them.
    assert_eq!(mesh.metric("portcullis_checks_total").await, checks + 3);
}

pub(crate) async fn a_body_over_the_limit_reaches_neither_gate_nor_application(
    mesh: &mut impl Mesh,
) {
    let checks = mesh.metric("portcullis_checks_total").await;
    refused(mesh, SLEEP, Request::post("/orders", BODY_LIMIT + 1), 413).await;
    assert_eq!(mesh.metric("portcullis_checks_total").await, checks);
    let fits = Request::post("/orders", BODY_LIMIT);
    let told = answer(mesh, SLEEP, Target::Closed, fits).await;
    assert_eq!(told.seen()[":body"], BODY_LIMIT);
    assert_eq!(mesh.metric("portcullis_checks_total").await, checks + 1);
}
