//! OAUTHBEARER: authentication by tokens. It is not there yet; the settings are kept for it.

use crate::key::Importance::{High, Low, Medium};
use crate::key::{ConfigKey, boolean, class, int, list, long, password, string};

pub(super) const KEYS: &[ConfigKey] = &[
    boolean("sasl.oauthbearer.allow.unverified.audience", Medium)
        .default("false")
        .doc("Whether tokens are taken without a check of their audience."),
    boolean("sasl.oauthbearer.allow.unverified.issuer", Medium)
        .default("false")
        .doc("Whether tokens are taken without a check of their issuer."),
    string("sasl.oauthbearer.assertion.algorithm", Medium)
        .default("RS256")
        .one_of_ignoring_case(&["ES256", "RS256"])
        .doc("Algorithm that signs the node's own assertions."),
    string("sasl.oauthbearer.assertion.claim.aud", Medium).doc("Audience of the node's own assertions."),
    int("sasl.oauthbearer.assertion.claim.exp.seconds", Low)
        .default("300")
        .between(0.0, 86400.0)
        .doc("Seconds the node's own assertions are valid."),
    string("sasl.oauthbearer.assertion.claim.iss", Medium).doc("Issuer of the node's own assertions."),
    boolean("sasl.oauthbearer.assertion.claim.jti.include", Medium)
        .default("false")
        .doc("Whether the node's own assertions carry an id."),
    int("sasl.oauthbearer.assertion.claim.nbf.seconds", Low)
        .default("60")
        .between(0.0, 3600.0)
        .doc("Seconds before now from which the node's own assertions are valid."),
    string("sasl.oauthbearer.assertion.claim.sub", Medium).doc("Subject of the node's own assertions."),
    string("sasl.oauthbearer.assertion.file", Medium).doc("File with a ready-made assertion."),
    string("sasl.oauthbearer.assertion.private.key.file", Medium).doc("File with the key that signs assertions."),
    password("sasl.oauthbearer.assertion.private.key.passphrase", Medium).doc("Passphrase of that key."),
    string("sasl.oauthbearer.assertion.template.file", Medium).doc("File with claims to put into assertions."),
    string("sasl.oauthbearer.client.credentials.client.id", Medium).doc("Client id for the client credentials grant."),
    password("sasl.oauthbearer.client.credentials.client.secret", Medium)
        .doc("Client secret for the client credentials grant."),
    int("sasl.oauthbearer.clock.skew.seconds", Low)
        .default("30")
        .doc("Seconds the clocks of node and identity provider may differ."),
    list("sasl.oauthbearer.expected.audience", High)
        .default("")
        .distinct()
        .doc("Audiences a token may be for."),
    string("sasl.oauthbearer.expected.issuer", High).doc("Issuer a token must come from."),
    string("sasl.oauthbearer.jwks.endpoint.url", Medium).doc("Address of the identity provider's keys."),
    long("sasl.oauthbearer.jwks.endpoint.refresh.ms", Low)
        .default("3600000")
        .doc("Milliseconds between the fetches of those keys."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Low)
        .default("100")
        .doc("Milliseconds before a failed fetch of keys is tried again."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Low)
        .default("10000")
        .doc("Upper limit of that time as it grows."),
    class("sasl.oauthbearer.jwt.retriever.class", Medium)
        .default("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever")
        .doc("Java class that gets tokens."),
    class("sasl.oauthbearer.jwt.validator.class", Medium)
        .default("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator")
        .doc("Java class that checks tokens."),
    string("sasl.oauthbearer.scope", Medium).doc("Scope the node asks for."),
    string("sasl.oauthbearer.scope.claim.name", Low)
        .default("scope")
        .doc("Claim that holds a token's scope."),
    string("sasl.oauthbearer.sub.claim.name", Low)
        .default("sub")
        .doc("Claim that holds a token's subject."),
    string("sasl.oauthbearer.token.endpoint.url", Medium).doc("Address where tokens are issued."),
];
