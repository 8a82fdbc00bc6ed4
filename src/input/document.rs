//! The whole document: `attributes` and what stands beside it.

use regorus::Value;

use super::{
    InvalidInput, Options, Reads,
    attributes::AttributesPlan,
    body,
    path::Target,
    select::{Fields, Slot, text},
    token::{self, Token},
};
use crate::{
    identity::{Identity, spiffe::SpiffeId},
    request::RequestView,
};

/// What to build of the document.
#[derive(Debug)]
pub(super) struct DocumentPlan {
    attributes: Slot<AttributesPlan>,
    source: Slot<Slot<SpiffePlan>>,
    jwt: Slot,
    jwt_error: Slot<token::Codes>,
    parsed_path: Slot,
    parsed_query: Slot,
    parsed_body: Slot,
    truncated_body: Slot,
    source_principal: Slot,
    version: Slot<Value>,
}

impl DocumentPlan {
    pub(super) fn new(reads: &Reads, options: &Options) -> Self {
        let nothing = Reads::Nothing;
        let of_body = if options.skip_request_body_parse {
            &nothing
        } else {
            reads
        };
        Self {
            attributes: Slot::new(reads, "attributes", |r| {
                AttributesPlan::new(r, options.encoding)
            }),
            source: Slot::new(reads, "source", |r| Slot::new(r, "spiffe", SpiffePlan::new)),
            jwt: Slot::leaf(reads, "jwt"),
            jwt_error: Slot::new(reads, "jwt_error", |_| token::Codes::new()),
            parsed_path: Slot::leaf(reads, "parsed_path"),
            parsed_query: Slot::leaf(reads, "parsed_query"),
            parsed_body: Slot::leaf(of_body, "parsed_body"),
            truncated_body: Slot::leaf(of_body, "truncated_body"),
            source_principal: Slot::leaf(reads, "source_principal"),
            version: Slot::new(reads, "version", |_| version()),
        }
    }

    /// Whether anything is wanted that only a look at the caller's token can tell.
    pub(super) fn reads_token(&self) -> bool {
        let claims = self.attributes.wanted() && self.attributes.plan.wants_claims();
        claims || self.jwt.wanted() || self.jwt_error.wanted()
    }

    pub(super) fn build(
        &self,
        options: &Options,
        request: &RequestView<'_>,
        identity: &Identity<'_>,
        token: Token<'_>,
    ) -> Result<Value, InvalidInput> {
        let target = match request.http() {
            Some(http) => Target::parse(http.method(), http.path(), options.lenient_query)?,
            None => Target::NONE,
        };
        let mut fields = Fields::default();
        if let (Some(attributes), true) = (&request.attributes, self.attributes.wanted()) {
            let value = self.attributes.plan.build(attributes, identity, token)?;
            self.attributes.put(&mut fields, value);
        }
        if let Some(peer) = &identity.peer {
            self.source.put_with(&mut fields, |spiffe| {
                let mut source = Fields::default();
                spiffe.put_with(&mut source, |plan| plan.build(peer));
                source.into()
            });
        }
        match token {
            Ok(token) => self.jwt.put_with(&mut fields, |()| token.jwt.clone()),
            Err(error) => {
                self.jwt_error
                    .put_with(&mut fields, |codes| codes.get(error));
            }
        }
        self.parsed_path
            .put_with(&mut fields, |()| target.parsed_path());
        self.parsed_query
            .put_with(&mut fields, |()| target.parsed_query());
        self.put_body(&mut fields, options, request, &target)?;
        self.source_principal
            .put_text(&mut fields, identity.principal);
        self.version.put_with(&mut fields, Value::clone);
        Ok(fields.into())
    }

    fn put_body(
        &self,
        fields: &mut Fields,
        options: &Options,
        request: &RequestView<'_>,
        target: &Target<'_>,
    ) -> Result<(), InvalidInput> {
        if !self.parsed_body.wanted() && !self.truncated_body.wanted() {
            return Ok(());
        }
        let body = match request.http() {
            Some(http) => body::parse(http, target, options.descriptors.as_ref())?,
            None => body::Body::None,
        };
        let (parsed, truncated) = match body {
            body::Body::None => (Value::Null, false),
            body::Body::Truncated => (Value::Null, true),
            body::Body::Parsed(value) => (value, false),
        };
        self.parsed_body.put(fields, parsed);
        self.truncated_body.put(fields, Value::Bool(truncated));
        Ok(())
    }
}

/// The strings are the reference's, whatever the encoding really is.
fn version() -> Value {
    let mut fields = Fields::default();
    fields.0.insert(text("ext_authz"), text("v3"));
    fields.0.insert(text("encoding"), text("protojson"));
    fields.into()
}

/// What to build of `source.spiffe`.
#[derive(Debug)]
struct SpiffePlan {
    id: Slot,
    trust_domain: Slot,
    namespace: Slot,
    service_account: Slot,
    path: Slot,
}

impl SpiffePlan {
    fn new(reads: &Reads) -> Self {
        Self {
            id: Slot::leaf(reads, "id"),
            trust_domain: Slot::leaf(reads, "trust_domain"),
            namespace: Slot::leaf(reads, "namespace"),
            service_account: Slot::leaf(reads, "service_account"),
            path: Slot::leaf(reads, "path"),
        }
    }

    fn build(&self, peer: &SpiffeId<'_>) -> Value {
        let mut fields = Fields::default();
        self.id.put_text(&mut fields, peer.id());
        self.trust_domain.put_text(&mut fields, peer.trust_domain());
        if let Some((namespace, service_account)) = peer.workload() {
            self.namespace.put_text(&mut fields, namespace);
            self.service_account.put_text(&mut fields, service_account);
        }
        // An ID that names the trust domain itself has an empty path, which is a path too.
        self.path.put_with(&mut fields, |()| text(peer.path()));
        fields.into()
    }
}
