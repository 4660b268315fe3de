//! Requests and their repetition.

use std::marker::PhantomData;

use klamm_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_protocol::{ApiKey, ErrorCode, Request};

use super::options::address;
use super::{Bootstrap, Client, ControllerReply, InFlight, Lane, Recovery, RequestOptions, Retry, Target};
use crate::Error;
use crate::connection::backoff::shuffle;
use crate::connection::pool::{Patience, Peer};
use crate::connection::{Address, Connection, Expected, Sending};

impl Client {
    /// Sends a request to any broker, in the newest version that both sides know. Repeats it, also elsewhere, while
    /// connections fail and `default.api.timeout.ms` is not over.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Unsupported`]; [`Error::Request`]. Error codes in the reply are the caller's matter.
    ///
    /// # Cancel safety
    /// Dropped before the request was sent, it sends nothing. Dropped later, it throws the reply away: the broker may still
    /// carry the request out. It is not repeated.
    pub async fn call_any<R: Request>(&self, request: &R) -> Result<R::Response, Error> {
        self.call(Target::Any, request).await
    }

    /// Sends a request to one broker. Repeats it as [`Client::call_any`] does, to the same broker.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Unsupported`]; [`Error::Request`].
    ///
    /// # Cancel safety
    /// As [`Client::call_any`].
    pub async fn call_broker<R: Request>(&self, node: i32, request: &R) -> Result<R::Response, Error> {
        self.call(Target::Broker(node), request).await
    }

    /// Sends a request to the controller. Repeats it as [`Client::call_any`] does. An answer NOT_CONTROLLER is the
    /// caller's matter, who calls [`Client::refresh_metadata`] and tries again; admin calls do that.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Unsupported`]; [`Error::Request`].
    ///
    /// # Cancel safety
    /// As [`Client::call_any`].
    pub async fn call_controller<R: Request>(&self, request: &R) -> Result<R::Response, Error> {
        self.call(Target::Controller, request).await
    }

    /// Sends a request whose filling depends on the version. Repeats it as [`Client::call_any`] does, and tells the
    /// version of the reply.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Unsupported`]; [`Error::Request`].
    ///
    /// # Cancel safety
    /// As [`Client::call_any`].
    pub async fn call_with<R: Request>(
        &self,
        to: Target,
        lane: Lane,
        make: impl Fn(i16) -> R,
    ) -> Result<(i16, R::Response), Error> {
        self.exchange(to, &RequestOptions::new(lane), make).await
    }

    async fn call<R: Request>(&self, to: Target, request: &R) -> Result<R::Response, Error> {
        let (_, response) = self.call_with(to, Lane::General, |_| request.clone()).await?;
        Ok(response)
    }

    pub(crate) async fn offered(&self, to: Target) -> Result<ApiVersionsResponse, Error> {
        let request = ApiVersionsRequest {
            client_software_name: "klamm-client".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        let response = self.call(to, &request).await?;
        Error::check(response.error_code)?;
        Ok(response)
    }

    /// As [`Client::call_with`], with all that can be said of a request.
    pub(crate) async fn exchange<R: Request>(
        &self,
        to: Target,
        options: &RequestOptions,
        make: impl Fn(i16) -> R,
    ) -> Result<(i16, R::Response), Error> {
        let mut retry = self.retry(R::KEY.name());
        loop {
            let repeated = retry.is_repeated();
            let attempt = async {
                if repeated && to != Target::Any {
                    Box::pin(self.core.refresh_brokers(self)).await?;
                }
                self.start(&to, options.clone(), &make).await?.response().await
            };
            if let Some(reply) = retry.step(Error::is_transport, attempt).await? {
                return Ok(reply);
            }
        }
    }

    /// As [`Client::call_controller`], and finds the new controller when the old one says that it is none any more.
    pub(crate) async fn call_active_controller<R>(&self, make: impl Fn(i16) -> R) -> Result<(i16, R::Response), Error>
    where
        R: Request<Response: ControllerReply>,
    {
        let mut retry = self.retry(R::KEY.name());
        let options = RequestOptions::new(Lane::General);
        loop {
            let repeated = retry.is_repeated();
            let attempt = async {
                if repeated {
                    Box::pin(self.core.refresh_brokers(self)).await?;
                }
                self.start(&Target::Controller, options.clone(), &make)
                    .await?
                    .response()
                    .await
            };
            match retry.step(Error::is_transport, attempt).await? {
                Some((_, response)) if response.not_controller() => retry.pause(not_controller()).await?,
                Some(reply) => return Ok(reply),
                None => {}
            }
        }
    }

    /// The attempts of a call that starts now.
    pub(crate) fn retry(&self, what: &'static str) -> Retry {
        Retry::new(what, self.core.options.retry, self.timeouts.api)
    }

    /// Sends one request, once: connects if need be, and returns when its place in the order of the connection's
    /// requests is fixed. After an error nothing was sent.
    pub(crate) async fn start<R: Request>(
        &self,
        to: &Target,
        options: RequestOptions,
        make: impl Fn(i16) -> R,
    ) -> Result<InFlight<R>, Error> {
        // A connection can be closed between our getting hold of it and the request: idle for too long, or the broker
        // went down. The next one is new.
        loop {
            let connection = match self.ready_connection(to, options.lane) {
                Some(connection) => connection,
                // Boxed, since it is large and seldom needed.
                None => Box::pin(self.connection(to, options.lane)).await?,
            };
            if let Some(in_flight) = self.send(&connection, &options, &make).await? {
                return Ok(in_flight);
            }
        }
    }

    /// As [`Client::start`], at any node. Needs no picture of the cluster, so the picture can be asked for this way.
    pub(crate) async fn start_any<R: Request>(
        &self,
        options: RequestOptions,
        make: impl Fn(i16) -> R,
    ) -> Result<InFlight<R>, Error> {
        loop {
            let connection = Box::pin(self.any_connection(options.lane)).await?;
            if let Some(in_flight) = self.send(&connection, &options, &make).await? {
                return Ok(in_flight);
            }
        }
    }

    async fn send<R: Request>(
        &self,
        connection: &Connection,
        options: &RequestOptions,
        make: impl Fn(i16) -> R,
    ) -> Result<Option<InFlight<R>>, Error> {
        let version = pick::<R>(connection, options.newest)?;
        let sending = Sending {
            version,
            timeout: options.timeout.unwrap_or(self.timeouts.request),
            records: &options.records,
            answered: options.answered,
        };
        let reply = connection.start(&make(version), sending).await?;
        Ok(reply.map(|reply| InFlight {
            version,
            label: connection.label().clone(),
            reply,
            request: PhantomData,
        }))
    }

    /// Refuses what can only be said in a version that no node in reach has.
    pub(crate) async fn require(&self, api: ApiKey, least: i16, what: &str) -> Result<(), Error> {
        let mut retry = self.retry(api.name());
        let connection = loop {
            if let Some(connection) = retry
                .step(Error::is_transport, self.any_connection(Lane::General))
                .await?
            {
                break connection;
            }
        };
        match connection.versions().highest(api) {
            Some(highest) if highest >= least => Ok(()),
            highest => Err(Error::Unsupported {
                api,
                address: connection.label().to_string(),
                reason: match highest {
                    Some(highest) => format!("{what} need version {least}, the broker has {highest}"),
                    None => "the broker does not offer it".to_owned(),
                },
            }),
        }
    }

    /// Whether the bootstrap addresses are those of controllers.
    pub(crate) fn is_of_controllers(&self) -> bool {
        self.core.options.bootstrap == Bootstrap::Controllers
    }

    /// The connection to a broker, if there is one now.
    fn ready_connection(&self, to: &Target, lane: Lane) -> Option<Connection> {
        let Target::Broker(node) = to else { return None };
        let known = self.core.cluster.current();
        let broker = known.brokers().get(node)?;
        let connection = self.core.pool.ready(&Peer::Node(*node), lane)?;
        let address = connection.address();
        (address.host == broker.host && address.port == broker.port).then_some(connection)
    }

    async fn connection(&self, to: &Target, lane: Lane) -> Result<Connection, Error> {
        match to {
            Target::Any => self.any_connection(lane).await,
            Target::Broker(node) => self.node_connection(*node, lane).await,
            Target::Controller => self.controller_connection(lane).await,
            Target::Address(text) => {
                let address = address("address", text)?;
                let peer = Peer::Address(address.clone());
                self.pooled(&peer, lane, &address, Patience::Wait).await
            }
        }
    }

    /// A connection to whoever can be reached: preferably one that is there, then the nodes that are known, then the
    /// bootstrap addresses (KIP-899).
    pub(crate) async fn any_connection(&self, lane: Lane) -> Result<Connection, Error> {
        let core = &self.core;
        let cluster = core.cluster.current();
        let mut candidates: Vec<_> = cluster
            .nodes()
            .map(|(id, address)| (Peer::Node(id), address.clone()))
            .collect();
        shuffle(&mut candidates);
        candidates.sort_by_key(|(peer, _)| core.pool.ready(peer, lane).is_none());
        if candidates.is_empty() || core.options.recovery == Recovery::Rebootstrap {
            let mut bootstrap = core.options.addresses.clone();
            bootstrap.retain(|address| !candidates.iter().any(|(_, known)| known == address));
            shuffle(&mut bootstrap);
            candidates.extend(
                bootstrap
                    .into_iter()
                    .map(|address| (Peer::Address(address.clone()), address)),
            );
        }
        let mut last = None;
        for (peer, address) in &candidates {
            match self.pooled(peer, lane, address, Patience::None).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(Error::Unreachable {
            address: "bootstrap.servers".to_owned(),
            reason: "no address is left to try".to_owned(),
        }))
    }

    async fn node_connection(&self, node: i32, lane: Lane) -> Result<Connection, Error> {
        let known = self.core.cluster.current().address(node);
        let address = match known {
            Some(address) => Some(address),
            None => self.core.refresh_brokers(self).await?.address(node),
        };
        let address = address.ok_or_else(|| Error::Unreachable {
            address: format!("node {node}"),
            reason: "not among the nodes that the cluster names".to_owned(),
        })?;
        self.pooled(&Peer::Node(node), lane, &address, Patience::Wait).await
    }

    async fn controller_connection(&self, lane: Lane) -> Result<Connection, Error> {
        let known = self.core.cluster.current();
        let known = match known.controller() {
            Some(_) => known,
            None => self.core.refresh_brokers(self).await?,
        };
        match (known.controller(), self.core.options.bootstrap) {
            (Some(node), _) => self.node_connection(node, lane).await,
            (None, Bootstrap::Brokers) => self.any_connection(lane).await,
            (None, Bootstrap::Controllers) => Err(Error::Unreachable {
                address: "the active controller".to_owned(),
                reason: "the quorum has none at the moment".to_owned(),
            }),
        }
    }

    async fn pooled(
        &self,
        peer: &Peer,
        lane: Lane,
        address: &Address,
        patience: Patience,
    ) -> Result<Connection, Error> {
        let mut expected = Expected::default();
        if self.core.options.cluster_check
            && let Peer::Node(node) = peer
        {
            expected.cluster_id = self.core.cluster.current().cluster_id().map(str::to_owned);
            expected.node = Some(*node);
        }
        let opened = self.core.pool.get(peer, lane, address, &expected, patience).await;
        if let Err(Error::Broker { code, .. }) = &opened
            && *code == ErrorCode::REBOOTSTRAP_REQUIRED
        {
            self.core.rebootstrap();
            return Err(Error::Unreachable {
                address: address.to_string(),
                reason: "another node or another cluster is there now".to_owned(),
            });
        }
        opened
    }
}

fn pick<R: Request>(connection: &Connection, newest: i16) -> Result<i16, Error> {
    connection
        .versions()
        .pick::<R>(newest)
        .map_err(|reason| Error::Unsupported {
            api: R::KEY,
            address: connection.label().to_string(),
            reason,
        })
}

fn not_controller() -> Error {
    Error::Broker {
        code: ErrorCode::NOT_CONTROLLER,
        message: None,
    }
}
