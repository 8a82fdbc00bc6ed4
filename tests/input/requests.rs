//! Random `CheckRequest`s, and the reference's document of one, walked over the generated types.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            Address, EnvoyInternalAddress, HeaderMap, HeaderValue, Metadata, Pipe, SocketAddress,
            address, envoy_internal_address::AddressNameSpecifier, socket_address::PortSpecifier,
        },
        service::auth::v3::{
            AttributeContext, CheckRequest,
            attribute_context::{HttpRequest, Peer, Request, TlsSession},
        },
    },
    google::protobuf::{Any, ListValue, Struct, Timestamp, Value, value::Kind},
};
use proptest::{option, prelude::*};
use serde_json::{Map, Value as Json, json};

/// The namespace whose metadata gets `fields`.
pub(crate) const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zA-Z0-9é:/.-]{1,8}"]
}

/// Keys without `_`, which is how the test tells spellings of the schema from them.
fn texts() -> BoxedStrategy<HashMap<String, String>> {
    prop::collection::hash_map("[a-c-]{1,3}", text(), 0..4).boxed()
}

fn address() -> BoxedStrategy<Address> {
    let port = prop_oneof![
        any::<u32>().prop_map(PortSpecifier::PortValue),
        text().prop_map(PortSpecifier::NamedPort),
    ];
    let socket = (0..3, text(), text(), any::<bool>(), option::of(port)).prop_map(
        |(protocol, address, resolver_name, ipv4_compat, port_specifier)| SocketAddress {
            protocol,
            address,
            resolver_name,
            ipv4_compat,
            port_specifier,
            ..SocketAddress::default()
        },
    );
    let internal =
        (text(), option::of(text())).prop_map(|(endpoint_id, name)| EnvoyInternalAddress {
            endpoint_id,
            address_name_specifier: name.map(AddressNameSpecifier::ServerListenerName),
        });
    let pipe = (text(), any::<u32>()).prop_map(|(path, mode)| Pipe { path, mode });
    option::of(prop_oneof![
        socket.prop_map(address::Address::SocketAddress),
        pipe.prop_map(address::Address::Pipe),
        internal.prop_map(address::Address::EnvoyInternalAddress),
    ])
    .prop_map(|address| Address { address })
    .boxed()
}

fn peer() -> BoxedStrategy<Peer> {
    let principal = prop_oneof![text(), Just("spiffe://cluster.local/ns/a/sa/b".to_owned())];
    (option::of(address()), text(), texts(), principal, text())
        .prop_map(|(address, service, labels, principal, certificate)| Peer {
            address,
            service,
            labels,
            principal,
            certificate,
        })
        .boxed()
}

fn value() -> BoxedStrategy<Value> {
    let leaf = option::of(prop_oneof![
        Just(Kind::NullValue(0)),
        any::<bool>().prop_map(Kind::BoolValue),
        any::<i32>().prop_map(|n| Kind::NumberValue(n.into())),
        text().prop_map(Kind::StringValue),
    ])
    .prop_map(|kind| Value { kind });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let kind = prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|values| Kind::ListValue(ListValue { values })),
            prop::collection::hash_map("[a-c]{1,2}", inner, 0..3)
                .prop_map(|fields| Kind::StructValue(Struct { fields })),
        ];
        kind.prop_map(|kind| Value { kind: Some(kind) })
    })
    .boxed()
}

fn metadata() -> BoxedStrategy<Metadata> {
    let key = prop_oneof![
        Just("payload".to_owned()),
        Just("fields".to_owned()),
        "[a-c]{1,2}"
    ];
    let namespace = prop_oneof![Just(JWT_AUTHN.to_owned()), "[a-c.]{1,3}"];
    let structs =
        prop::collection::hash_map(key, value(), 0..4).prop_map(|fields| Struct { fields });
    let any = (text(), prop::collection::vec(any::<u8>(), 0..4))
        .prop_map(|(type_url, value)| Any { type_url, value });
    (
        prop::collection::hash_map(namespace, structs, 0..3),
        prop::collection::hash_map("[a-c.]{1,3}", any, 0..2),
    )
        .prop_map(|(filter_metadata, typed_filter_metadata)| Metadata {
            filter_metadata,
            typed_filter_metadata,
        })
        .boxed()
}

fn header_map() -> BoxedStrategy<HeaderMap> {
    let header = (
        "[a-cA-C-]{1,2}",
        text(),
        prop::collection::vec(any::<u8>(), 0..4),
    )
        .prop_map(|(key, value, raw_value)| HeaderValue {
            key,
            value,
            raw_value,
        });
    prop::collection::vec(header, 0..5)
        .prop_map(|headers| HeaderMap { headers })
        .boxed()
}

fn http() -> BoxedStrategy<HttpRequest> {
    let path = "/[a-c/.]{0,6}(\\?[a-c=&]{0,6})?";
    let raw_body = prop::collection::vec(any::<u8>(), 0..6);
    (
        (text(), text(), texts(), option::of(header_map()), path),
        (text(), text(), text(), text(), any::<i64>(), text()),
        (text(), raw_body),
    )
        .prop_map(|(one, two, (body, raw_body))| {
            let (id, method, headers, header_map, path) = one;
            let (host, scheme, query, fragment, size, protocol) = two;
            HttpRequest {
                id,
                method,
                headers,
                header_map,
                path,
                host,
                scheme,
                query,
                fragment,
                size,
                protocol,
                body,
                raw_body,
            }
        })
        .boxed()
}

fn request() -> BoxedStrategy<Request> {
    let time =
        (any::<i64>(), 0..1_000_000_000).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos });
    (option::of(time), option::of(http()))
        .prop_map(|(time, http)| Request { time, http })
        .boxed()
}

/// Any `CheckRequest` that has a document.
pub(crate) fn check_request() -> BoxedStrategy<CheckRequest> {
    let attributes = (
        (
            option::of(peer()),
            option::of(peer()),
            option::of(request()),
        ),
        texts(),
        (option::of(metadata()), option::of(metadata())),
        option::of(text()),
    )
        .prop_map(|(one, context_extensions, two, sni)| AttributeContext {
            source: one.0,
            destination: one.1,
            request: one.2,
            context_extensions,
            metadata_context: two.0,
            route_metadata_context: two.1,
            tls_session: sni.map(|sni| TlsSession { sni }),
        });
    option::weighted(0.95, attributes)
        .prop_map(|attributes| CheckRequest { attributes })
        .boxed()
}

/// The canonical value of a header, worked out the slow way.
pub(crate) fn header(http: &HttpRequest, name: &str) -> Option<String> {
    if let Some(value) = http.headers.get(name) {
        return Some(value.clone());
    }
    let values: Vec<String> = (http.header_map.iter().flat_map(|map| &map.headers))
        .filter(|header| header.key.to_ascii_lowercase() == name)
        .map(|header| match header.raw_value.as_slice() {
            [] => header.value.clone(),
            raw => sanitized(raw),
        })
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn sanitized(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    while !bytes.is_empty() {
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(error) => error.valid_up_to(),
        };
        text.push_str(std::str::from_utf8(&bytes[..valid]).unwrap());
        bytes = &bytes[valid..];
        if !bytes.is_empty() {
            text.push('!');
            bytes = &bytes[1..];
        }
    }
    text
}

/// `attributes` by the reference's rules, in camel case.
pub(crate) fn attributes(of: &AttributeContext) -> Json {
    let mut json = Map::new();
    let mut put = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), value);
        }
    };
    put("source", of.source.as_ref().map(peer_json));
    put("destination", of.destination.as_ref().map(peer_json));
    put("request", of.request.as_ref().map(request_json));
    put("contextExtensions", map_json(&of.context_extensions));
    put(
        "metadataContext",
        of.metadata_context.as_ref().map(|m| metadata_json(m, true)),
    );
    put(
        "routeMetadataContext",
        of.route_metadata_context
            .as_ref()
            .map(|m| metadata_json(m, false)),
    );
    put(
        "tlsSession",
        of.tls_session
            .as_ref()
            .map(|tls| populated(json!({ "sni": tls.sni }))),
    );
    Json::Object(json)
}

/// Takes away what protobuf does not tell from absent.
fn populated(json: Json) -> Json {
    let Json::Object(fields) = json else {
        return json;
    };
    let zero = |value: &Json| [json!(""), json!(0), json!(false), Json::Null].contains(value);
    fields
        .into_iter()
        .filter(|(_, value)| !zero(value))
        .collect()
}

fn map_json(map: &HashMap<String, String>) -> Option<Json> {
    (!map.is_empty()).then(|| json!(map))
}

fn peer_json(peer: &Peer) -> Json {
    let address = peer.address.as_ref().map(|address| match &address.address {
        None => json!({}),
        Some(address::Address::SocketAddress(socket)) => {
            let mut json = populated(json!({
                "protocol": socket.protocol, "address": socket.address,
                "resolverName": socket.resolver_name, "ipv4Compat": socket.ipv4_compat,
            }));
            match &socket.port_specifier {
                Some(PortSpecifier::PortValue(port)) => json["portValue"] = json!(port),
                Some(PortSpecifier::NamedPort(port)) => json["namedPort"] = json!(port),
                None => {}
            }
            json!({ "socketAddress": json })
        }
        Some(address::Address::Pipe(pipe)) => {
            json!({ "pipe": populated(json!({ "path": pipe.path, "mode": pipe.mode })) })
        }
        Some(address::Address::EnvoyInternalAddress(internal)) => {
            let mut json = populated(json!({ "endpointId": internal.endpoint_id }));
            if let Some(AddressNameSpecifier::ServerListenerName(name)) =
                &internal.address_name_specifier
            {
                json["serverListenerName"] = json!(name);
            }
            json!({ "envoyInternalAddress": json })
        }
    });
    populated(json!({
        "address": address, "service": peer.service, "labels": map_json(&peer.labels),
        "principal": peer.principal, "certificate": peer.certificate,
    }))
}

fn request_json(request: &Request) -> Json {
    let time = request.time.as_ref();
    populated(json!({
        "time": time.map(|t| populated(json!({ "seconds": t.seconds, "nanos": t.nanos }))),
        "http": request.http.as_ref().map(http_json),
    }))
}

fn http_json(http: &HttpRequest) -> Json {
    let raw_names = http.header_map.iter().flat_map(|map| &map.headers);
    let headers: Map<String, Json> = (http.headers.keys().cloned())
        .chain(raw_names.map(|header| header.key.to_ascii_lowercase()))
        .map(|name| (name.clone(), json!(header(http, &name))))
        .collect();
    let header_map = http.header_map.as_ref().map(|map| {
        let list: Vec<Json> = (map.headers.iter())
            .map(|h| populated(json!({ "key": h.key, "value": h.value, "rawValue": STANDARD.encode(&h.raw_value) })))
            .collect();
        if list.is_empty() { json!({}) } else { json!({ "headers": list }) }
    });
    let (body, raw_body) = if http.body.is_empty() {
        (sanitized(&http.raw_body), STANDARD.encode(&http.raw_body))
    } else {
        (http.body.clone(), STANDARD.encode(&http.body))
    };
    populated(json!({
        "id": http.id, "method": http.method, "path": http.path, "host": http.host,
        "scheme": http.scheme, "query": http.query, "fragment": http.fragment,
        "size": http.size, "protocol": http.protocol, "body": body, "rawBody": raw_body,
        "headers": (!headers.is_empty()).then_some(headers), "headerMap": header_map,
    }))
}

fn metadata_json(metadata: &Metadata, of_request: bool) -> Json {
    let filter: Map<String, Json> = (metadata.filter_metadata.iter())
        .map(|(namespace, fields)| {
            let mut json = struct_json(fields);
            if of_request
                && namespace == JWT_AUTHN
                && json["payload"].is_object()
                && json.get("fields").is_none()
            {
                json["fields"] = json["payload"].clone();
            }
            (namespace.clone(), json)
        })
        .collect();
    let typed: Map<String, Json> = (metadata.typed_filter_metadata.iter())
        .map(|(namespace, any)| {
            let value = STANDARD.encode(&any.value);
            (
                namespace.clone(),
                populated(json!({ "typeUrl": any.type_url, "value": value })),
            )
        })
        .collect();
    populated(json!({
        "filterMetadata": (!filter.is_empty()).then_some(filter),
        "typedFilterMetadata": (!typed.is_empty()).then_some(typed),
    }))
}

fn struct_json(of: &Struct) -> Json {
    let fields = of.fields.iter();
    fields
        .map(|(key, value)| (key.clone(), value_json(value)))
        .collect()
}

fn value_json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => json!(value),
        // The strategy makes whole numbers only.
        Some(Kind::NumberValue(number)) => format!("{number:.0}").parse::<i64>().unwrap().into(),
        Some(Kind::StringValue(value)) => json!(value),
        Some(Kind::StructValue(fields)) => struct_json(fields),
        Some(Kind::ListValue(list)) => list.values.iter().map(value_json).collect(),
    }
}
