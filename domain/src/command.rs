//! Commands: one struct each, in a file of its own beside its rule; the table of an aggregate's commands.

/// Declares the commands of one aggregate: an enum over command structs that hands each to its `decide`.
///
/// A line reads `Variant(Struct);`. The struct has `decide(&self, &State, &Context)`.
macro_rules! commands {
    (
        $(#[$doc:meta])*
        pub enum $name:ident to $state:ident yielding $event:ident {
            $($variant:ident($command:ident);)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub enum $name {
            $(#[doc = concat!("See [`", stringify!($command), "`].")] $variant($command),)+
        }

        impl $name {
            pub(super) fn decide(
                &self,
                state: &$state,
                context: &$crate::Context,
            ) -> Result<Vec<$crate::Draft<$event>>, $crate::Rejection> {
                match self { $($name::$variant(command) => command.decide(state, context),)+ }
            }
        }

        $(
            impl From<$command> for $name {
                fn from(command: $command) -> Self { $name::$variant(command) }
            }
        )+
    };
}

pub(crate) use commands;
