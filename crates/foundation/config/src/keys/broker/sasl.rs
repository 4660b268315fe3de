//! Authentication: who a client is. SASL is not there yet: settings that ask for it refuse to start.

use crate::key::Importance::{Low, Medium};
use crate::key::{ConfigKey, class, double, int, list, long, password, short, string};

pub(super) const KEYS: &[ConfigKey] = &[
    class("principal.builder.class", Medium)
        .default("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder")
        .per_broker()
        .refused()
        .doc("Java class that makes the principal of a connection; only Kafka's own default starts."),
    string("security.providers", Low).doc("Java classes that add security providers."),
    long("connections.max.reauth.ms", Medium).default("0").refused().doc(
        "Milliseconds after which a SASL connection must authenticate anew; only 0 starts as long as SASL is \
             not there.",
    ),
    list("sasl.enabled.mechanisms", Medium)
        .default("GSSAPI")
        .distinct()
        .per_broker()
        .refused()
        .doc("SASL mechanisms that clients may use."),
    string("sasl.mechanism.inter.broker.protocol", Medium)
        .default("GSSAPI")
        .per_broker()
        .doc("SASL mechanism that brokers use among themselves."),
    password("sasl.jaas.config", Medium)
        .per_broker()
        .refused()
        .doc("Login module of SASL and its options."),
    class("sasl.client.callback.handler.class", Medium).doc("Java class that answers SASL callbacks as a client."),
    class("sasl.server.callback.handler.class", Medium).doc("Java class that answers SASL callbacks as a server."),
    class("sasl.login.callback.handler.class", Medium).doc("Java class that answers callbacks of a login."),
    class("sasl.login.class", Medium).doc("Java class that logs in."),
    int("sasl.server.max.receive.size", Medium)
        .default("524288")
        .doc("Largest SASL message taken from a client that is not yet authenticated."),
    string("sasl.kerberos.service.name", Medium)
        .per_broker()
        .doc("Name the brokers go by in Kerberos."),
    string("sasl.kerberos.kinit.cmd", Medium)
        .default("/usr/bin/kinit")
        .per_broker()
        .doc("Path of the `kinit` command."),
    double("sasl.kerberos.ticket.renew.window.factor", Medium)
        .default("0.8")
        .per_broker()
        .doc("Share of a ticket's life after which it is renewed."),
    double("sasl.kerberos.ticket.renew.jitter", Medium)
        .default("0.05")
        .per_broker()
        .doc("Share of that time that is random."),
    long("sasl.kerberos.min.time.before.relogin", Medium)
        .default("60000")
        .per_broker()
        .doc("Least milliseconds between two logins."),
    list("sasl.kerberos.principal.to.local.rules", Medium)
        .default("DEFAULT")
        .distinct()
        .per_broker()
        .doc("Rules that turn a Kerberos principal into a user name; the first that fits wins."),
    double("sasl.login.refresh.window.factor", Medium)
        .default("0.8")
        .per_broker()
        .doc("Share of a token's life after which it is refreshed."),
    double("sasl.login.refresh.window.jitter", Medium)
        .default("0.05")
        .per_broker()
        .doc("Share of that time that is random."),
    short("sasl.login.refresh.min.period.seconds", Medium)
        .default("60")
        .per_broker()
        .doc("Least seconds before a token is refreshed."),
    short("sasl.login.refresh.buffer.seconds", Medium)
        .default("300")
        .per_broker()
        .doc("Seconds before a token's end that a refresh keeps clear."),
    int("sasl.login.connect.timeout.ms", Low)
        .doc("Milliseconds a connection to the identity provider may take to come up."),
    int("sasl.login.read.timeout.ms", Low).doc("Milliseconds an answer of the identity provider may take."),
    long("sasl.login.retry.backoff.ms", Low)
        .default("100")
        .doc("Milliseconds before the identity provider is asked again."),
    long("sasl.login.retry.backoff.max.ms", Low)
        .default("10000")
        .doc("Upper limit of that time as it grows."),
    password("delegation.token.secret.key", Medium)
        .refused()
        .doc("Secret that signs delegation tokens, the same on all brokers."),
    long("delegation.token.max.lifetime.ms", Medium)
        .default("604800000")
        .at_least(1)
        .doc("Milliseconds after which a delegation token can be renewed no more."),
    long("delegation.token.expiry.time.ms", Medium)
        .default("86400000")
        .at_least(1)
        .doc("Milliseconds a delegation token lives without renewal."),
    long("delegation.token.expiry.check.interval.ms", Low)
        .default("3600000")
        .at_least(1)
        .doc("Milliseconds between the looks for expired delegation tokens."),
];
