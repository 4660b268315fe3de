//! TLS: encryption of connections. It is not there yet: settings that ask for it refuse to start.

use crate::key::Importance::{Low, Medium};
use crate::key::{ConfigKey, boolean, class, list, password, string};

pub(super) const KEYS: &[ConfigKey] = &[
    string("ssl.client.auth", Medium)
        .default("none")
        .one_of(&["required", "requested", "none"])
        .per_broker()
        .refused()
        .doc("Whether clients must show a certificate; only `none` starts as long as TLS is not there."),
    string("ssl.keystore.location", Medium)
        .per_broker()
        .refused()
        .doc("File with the node's key and certificate."),
    password("ssl.keystore.password", Medium)
        .per_broker()
        .doc("Password of that file."),
    string("ssl.keystore.type", Medium)
        .default("JKS")
        .per_broker()
        .doc("Format of that file, such as `JKS`, `PKCS12` or `PEM`."),
    password("ssl.keystore.key", Medium)
        .per_broker()
        .refused()
        .doc("The node's private key itself, as PEM."),
    password("ssl.keystore.certificate.chain", Medium)
        .per_broker()
        .refused()
        .doc("The node's certificate chain itself, as PEM."),
    password("ssl.key.password", Medium)
        .per_broker()
        .doc("Password of the private key."),
    string("ssl.truststore.location", Medium)
        .per_broker()
        .refused()
        .doc("File with the certificates the node trusts."),
    password("ssl.truststore.password", Medium)
        .per_broker()
        .doc("Password of that file."),
    string("ssl.truststore.type", Medium)
        .default("JKS")
        .per_broker()
        .doc("Format of that file, such as `JKS`, `PKCS12` or `PEM`."),
    password("ssl.truststore.certificates", Medium)
        .per_broker()
        .refused()
        .doc("The trusted certificates themselves, as PEM."),
    string("ssl.protocol", Medium)
        .default("TLSv1.3")
        .per_broker()
        .doc("TLS version a connection starts from."),
    list("ssl.enabled.protocols", Medium)
        .default("TLSv1.2,TLSv1.3")
        .distinct()
        .per_broker()
        .doc("TLS versions allowed."),
    list("ssl.cipher.suites", Medium)
        .default("")
        .distinct()
        .per_broker()
        .doc("Cipher suites allowed; empty allows the library's own choice."),
    string("ssl.provider", Medium)
        .per_broker()
        .doc("Java security provider for TLS."),
    class("ssl.engine.factory.class", Low)
        .per_broker()
        .doc("Java class that makes TLS engines."),
    string("ssl.keymanager.algorithm", Medium)
        .default("SunX509")
        .per_broker()
        .doc("Java's algorithm for key managers."),
    string("ssl.trustmanager.algorithm", Medium)
        .default("PKIX")
        .per_broker()
        .doc("Java's algorithm for trust managers."),
    string("ssl.secure.random.implementation", Low)
        .per_broker()
        .doc("Java's source of random numbers for TLS."),
    string("ssl.endpoint.identification.algorithm", Low)
        .default("https")
        .per_broker()
        .doc("How a server's name is checked against its certificate; empty checks nothing."),
    string("ssl.principal.mapping.rules", Low)
        .default("DEFAULT")
        .doc("Rules that turn a certificate's name into a user name."),
    boolean("ssl.allow.dn.changes", Low)
        .default("false")
        .doc("Whether a new certificate may carry another distinguished name."),
    boolean("ssl.allow.san.changes", Low)
        .default("false")
        .doc("Whether a new certificate may carry other alternative names."),
];
