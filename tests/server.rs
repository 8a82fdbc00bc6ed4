//! The server around the line, over real sockets: transports, TLS, health, reflection, admin and
//! the stop.

#[cfg(test)]
mod support;

#[cfg(test)]
#[path = "server/admin.rs"]
mod admin;
#[cfg(test)]
#[path = "server/beside.rs"]
mod beside;
#[cfg(test)]
#[path = "server/calls.rs"]
mod calls;
#[cfg(test)]
#[path = "server/composition.rs"]
mod composition;
#[cfg(test)]
#[path = "server/descriptors.rs"]
mod descriptors;
#[cfg(test)]
#[path = "server/floods.rs"]
mod floods;
#[cfg(test)]
#[path = "server/gone.rs"]
mod gone;
#[cfg(test)]
#[path = "server/health.rs"]
mod health;
#[cfg(test)]
#[path = "server/places.rs"]
mod places;
#[cfg(test)]
#[path = "server/shed.rs"]
mod shed;
#[cfg(test)]
#[path = "server/slow.rs"]
mod slow;
#[cfg(test)]
#[path = "server/stop.rs"]
mod stop;
#[cfg(test)]
#[path = "server/tls.rs"]
mod tls;
#[cfg(test)]
#[path = "server/transport.rs"]
mod transport;
