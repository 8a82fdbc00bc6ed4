//! Health and reflection.

use futures_util::stream;
use portcullis::app::Stopped;
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{Running, client, soon};

const AUTHORIZATION: &str = "envoy.service.auth.v3.Authorization";

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn health_serves_while_ready_and_not_while_something_is_pending_or_draining() {
    let server = Running::start(|_| ()).await;
    let mut health = HealthClient::new(client::channel(&server.grpc).await);
    let mut expect = async |expected| {
        for service in ["", AUTHORIZATION] {
            let response = soon(health.check(about(service))).await.unwrap();
            assert_eq!(response.into_inner().status(), expected, "`{service}`");
        }
    };
    expect(ServingStatus::Serving).await;
    let keys = server.ready.register("keys");
    expect(ServingStatus::NotServing).await;
    keys.done();
    expect(ServingStatus::Serving).await;
    server.ready.drain();
    expect(ServingStatus::NotServing).await;
}

#[tokio::test]
async fn a_health_watch_tells_each_change_and_ends_with_the_drain() {
    let server = Running::start(|_| ()).await;
    let mut health = HealthClient::new(client::channel(&server.grpc).await);
    let mut watch = health
        .watch(about(AUTHORIZATION))
        .await
        .unwrap()
        .into_inner();
    let mut unknown = health.watch(about("other")).await.unwrap().into_inner();
    let first = soon(watch.message()).await.unwrap().unwrap().status();
    assert_eq!(first, ServingStatus::Serving);
    let first = soon(unknown.message()).await.unwrap().unwrap().status();
    assert_eq!(first, ServingStatus::ServiceUnknown);

    let _keys = server.ready.register("keys");
    let second = soon(watch.message()).await.unwrap().unwrap().status();
    assert_eq!(second, ServingStatus::NotServing);
    server.stop.graceful();
    assert_eq!(soon(watch.message()).await.unwrap(), None);
    assert_eq!(soon(unknown.message()).await.unwrap(), None);
    assert_eq!(server.stopped().await, Stopped::Drained);
}

#[tokio::test]
async fn the_health_of_an_unknown_service_is_not_found() {
    let server = Running::start(|_| ()).await;
    let mut health = HealthClient::new(client::channel(&server.grpc).await);
    let status = health.check(about("other")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

async fn reflect(server: &Running, ask: MessageRequest) -> Result<MessageResponse, Status> {
    let mut client = ServerReflectionClient::new(client::channel(&server.grpc).await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let answers = client
        .server_reflection_info(stream::iter([request]))
        .await?;
    let answer = answers.into_inner().message().await?.unwrap();
    Ok(answer.message_response.unwrap())
}

#[tokio::test]
async fn reflection_lists_and_describes_the_services() {
    let server = Running::start(|config| config.plugin.enable_reflection = true).await;
    let listed = reflect(&server, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(services) = listed.unwrap() else {
        panic!("not a list");
    };
    let names: Vec<_> = services.service.into_iter().map(|s| s.name).collect();
    for name in [AUTHORIZATION, "grpc.health.v1.Health"] {
        assert!(names.iter().any(|listed| listed == name), "{names:?}");
    }
    for symbol in [AUTHORIZATION, "envoy.service.auth.v3.CheckRequest"] {
        let ask = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let described = reflect(&server, ask).await.unwrap();
        assert!(matches!(
            described,
            MessageResponse::FileDescriptorResponse(_)
        ));
    }
}

#[tokio::test]
async fn reflection_is_unimplemented_unless_it_is_asked_for() {
    let server = Running::start(|_| ()).await;
    let listed = reflect(&server, MessageRequest::ListServices(String::new())).await;
    assert_eq!(listed.unwrap_err().code(), Code::Unimplemented);
}
