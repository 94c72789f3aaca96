//! Keys and devices of an account.

use std::sync::Arc;

use domain::account::Account;
use domain::device::commands::{DeviceCommand, EnrollDevice, PublishIdentity, RenameDevice, RevokeDevice};
use domain::device::{DeviceEvent, DeviceSet};
use domain::session::Session;
use domain::session::commands::{BindDevice, SessionCommand};
use domain::{AccountDevice, DeviceId, Rejection, SessionId};

use crate::auth::Auth;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::request::Request;

type Answer = Result<Executed<DeviceEvent>, ExecuteError>;

/// What accounts do about their own keys and devices; the account is the request's actor.
#[derive(Clone)]
pub struct Devices {
    executor: Executor,
    auth: Arc<Auth>,
}

impl Devices {
    pub(super) fn new(executor: Executor, auth: Arc<Auth>) -> Self {
        Self { executor, auth }
    }

    /// Publishes identity and recovery key: once, and again after each reset of the password by mail, by whoever has lost all;
    /// then the devices of before are revoked. When the password was reset is looked up here, whatever the command says.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn publish_identity(&self, request: &Request, command: PublishIdentity) -> Answer {
        let account_id = request.context.account()?;
        let reset = self.executor.view::<Account, _>(account_id, |state, _| state.last_reset()).await?;
        let command = PublishIdentity { reset, ..command };
        let executed = self.execute(request, DeviceCommand::PublishIdentity(command)).await?;
        for event in &executed.events {
            if let DeviceEvent::Revoked(event) = event {
                let device = AccountDevice::new(account_id, event.device_id);
                self.auth.revocations.device_revoked(device, request.context.now);
            }
        }
        Ok(executed)
    }

    /// Adds a device and binds the session to it. Repeated after a failure in between, it goes on where it stopped.
    ///
    /// # Errors
    /// [`Rejection::SessionBound`] when the session acts for another device already; see [`ExecuteError`].
    pub async fn enroll(&self, request: &Request, session_id: SessionId, command: EnrollDevice) -> Answer {
        let device_id = command.device_id;
        self.executor.admit(request).await?;
        let request = &request.admitted();
        let bound = self.executor.view::<Session, _>(session_id, |state, _| state.device_id()).await?;
        if bound.is_some_and(|bound| bound != device_id) {
            let account_id = request.context.account()?;
            let refusal = ExecuteError::from(Rejection::SessionBound);
            return self.executor.refuse::<DeviceSet>(account_id, request, refusal).await;
        }
        let command = EnrollDevice { label: command.label.normal(), ..command };
        let mut enrolled = self.execute(request, DeviceCommand::Enroll(command)).await?;
        let bound = self.bind(&request.step("bind session"), session_id, device_id).await?;
        enrolled.position = enrolled.position.max(bound);
        Ok(enrolled)
    }

    async fn bind(
        &self,
        request: &Request,
        session_id: SessionId,
        device_id: DeviceId,
    ) -> Result<eventstore_schema::Position, ExecuteError> {
        let command = SessionCommand::BindDevice(BindDevice { device_id });
        let executed = self.executor.execute::<Session>(session_id, command, request).await?;
        self.auth.revocations.session_bound(session_id, request.context.now);
        Ok(executed.position)
    }

    /// Gives a device another label.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn rename(&self, request: &Request, command: RenameDevice) -> Answer {
        let command = RenameDevice { label: command.label.normal(), ..command };
        self.execute(request, DeviceCommand::Rename(command)).await
    }

    /// Revokes a device, for good. Its tokens are refused at once; its sessions end, and conversations drop it, by reactions.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn revoke(&self, request: &Request, command: RevokeDevice) -> Answer {
        let device = AccountDevice::new(request.context.account()?, command.device_id);
        let executed = self.execute(request, DeviceCommand::Revoke(command)).await?;
        self.auth.revocations.device_revoked(device, request.context.now);
        Ok(executed)
    }

    async fn execute(&self, request: &Request, command: DeviceCommand) -> Answer {
        let account_id = request.context.account()?;
        self.executor.execute::<DeviceSet>(account_id, command, request).await
    }
}
