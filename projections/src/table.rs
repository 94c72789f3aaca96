//! What a table of a read model is: one definition gives the row's type, its key, the DDL with its row-level security,
//! and the bytes that loading, writing and copying exchange with PostgreSQL.

use std::fmt::{Debug, Write};
use std::hash::Hash;

#[doc(hidden)]
pub use bytes::BytesMut;

use crate::acquainted;
use crate::cell::CellError;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its SQL type.
    pub sql: &'static str,
    /// Whether it may be null.
    pub nullable: bool,
}

/// Who may see a table's rows: the row-level security that holds even when a query forgets to ask.
#[derive(Clone, Copy, Debug)]
pub enum Visible {
    /// Viewers acting in the row's `organization_id`.
    Organization,
    /// The account in the row's `account_id`.
    Account,
    /// Viewers acting in the row's `organization_id`, and the account in its `account_id` wherever it acts.
    OrganizationOrAccount,
    /// The account in the row's `account_id`, and whoever shares an organization or a conversation with it.
    Acquaintances,
    /// As the SQL condition says; `{schema}` stands for the schema that the table lies in.
    Where(&'static str),
}

/// Condition of [`Visible::Organization`].
const SAME_ORGANIZATION: &str =
    "organization_id = (SELECT nullif(current_setting('envoi.organization', true), '')::uuid)";
/// Condition of [`Visible::Account`].
const SAME_ACCOUNT: &str = "account_id = (SELECT nullif(current_setting('envoi.account', true), '')::uuid)";

impl Visible {
    fn condition(self, schema: &str, edition: u32) -> String {
        match self {
            Visible::Organization => SAME_ORGANIZATION.to_owned(),
            Visible::Account => SAME_ACCOUNT.to_owned(),
            Visible::OrganizationOrAccount => format!("{SAME_ORGANIZATION} OR {SAME_ACCOUNT}"),
            Visible::Acquaintances => {
                format!("{SAME_ACCOUNT} OR {}(account_id)", acquainted::name(edition))
            }
            Visible::Where(condition) => condition.replace("{schema}", schema),
        }
    }
}

/// A table's definition.
#[derive(Debug)]
pub struct Table {
    /// Its name, the same in the schema of its read model and among the views.
    pub name: &'static str,
    /// Columns of its primary key, in order.
    pub key: &'static [Column],
    /// The other columns; `position` comes after them.
    pub columns: &'static [Column],
    /// Who may see its rows.
    pub visible: Visible,
    /// Column lists that queries need an index on, of all rows or of those that meet a condition behind `WHERE`; built last when a
    /// table is filled anew.
    pub indexes: &'static [&'static str],
    /// Column lists by which the fold loads sets of rows; indexed from the start.
    pub sets: &'static [&'static [Column]],
}

impl Table {
    /// All columns but `position`, key first.
    pub fn all_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.key.iter().chain(self.columns)
    }

    /// How many columns there are, `position` included.
    pub fn width(&self) -> usize {
        self.key.len() + self.columns.len() + 1
    }

    /// Names of all columns with `position`, separated by commas.
    pub fn column_list(&self) -> String {
        let mut list = names(self.all_columns());
        list.push_str(", position");
        list
    }

    /// Statements that create the table, without key or index.
    pub fn create(&self, schema: &str) -> String {
        let name = self.name;
        let mut sql = format!("CREATE TABLE {schema}.{name} (");
        for column in self.all_columns() {
            let null = if column.nullable { "" } else { " NOT NULL" };
            let _ = write!(sql, "{} {}{null}, ", column.name, column.sql);
        }
        let _ = writeln!(
            sql,
            "position bigint NOT NULL);\n\
             ALTER TABLE {schema}.{name} ENABLE ROW LEVEL SECURITY;\n\
             GRANT SELECT ON {schema}.{name} TO envoi_reader;"
        );
        sql
    }

    /// Statements that create the key and the indexes that folding needs.
    pub fn create_key(&self, schema: &str) -> String {
        let name = self.name;
        let mut sql = format!("ALTER TABLE {schema}.{name} ADD PRIMARY KEY ({});\n", names(self.key));
        for set in self.sets.iter().filter(|set| !self.key_begins_with(set)) {
            let _ = writeln!(sql, "CREATE INDEX ON {schema}.{name} ({});", names(set.iter()));
        }
        sql
    }

    /// The statement that creates the table's policy, which may speak of every table of the read model: all are there first.
    /// Policies of another edition ask about its own read models.
    pub fn create_policy(&self, schema: &str, edition: u32) -> String {
        let condition = self.visible.condition(schema, edition);
        format!(
            "CREATE POLICY viewer ON {schema}.{} FOR SELECT TO envoi_reader USING ({condition});\n",
            self.name
        )
    }

    /// Statements that create the indexes that only queries need.
    pub fn create_indexes(&self, schema: &str) -> String {
        let mut sql = String::new();
        for index in self.indexes {
            let (columns, condition) = index.find(" WHERE ").map_or((*index, ""), |at| index.split_at(at));
            let _ = writeln!(sql, "CREATE INDEX ON {schema}.{} ({columns}){condition};", self.name);
        }
        sql
    }

    fn key_begins_with(&self, set: &[Column]) -> bool {
        let of_key = self.key.iter().map(|column| column.name);
        set.len() <= self.key.len() && set.iter().map(|column| column.name).eq(of_key.take(set.len()))
    }
}

/// Names of columns, separated by commas.
pub(crate) fn names<'a>(columns: impl IntoIterator<Item = &'a Column>) -> String {
    let mut list = String::new();
    for column in columns {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(column.name);
    }
    list
}

/// A view of a read model beside those over its tables.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// Its query; `{schema}` stands for the schema of its read model.
    pub sql: &'static str,
}

/// A row of a table; implemented by [`table!`](crate::table).
pub trait Row: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// What names a row: one value, or a tuple of them.
    type Key: Clone + Debug + Eq + Ord + Hash + Send + Sync + 'static;
    /// The definition.
    const TABLE: &'static Table;

    /// The row's key.
    fn key(&self) -> Self::Key;
    /// Appends the key's fields.
    fn put_key(key: &Self::Key, out: &mut BytesMut);
    /// Appends all fields but `position`, key first.
    fn put(&self, out: &mut BytesMut);
    /// Reads what [`Row::put`] wrote, field by field.
    ///
    /// # Errors
    /// When a field is of another type.
    fn take<'a>(next: &mut dyn FnMut() -> Option<&'a [u8]>) -> Result<Self, CellError>;
}

/// Names all rows of a table that agree in some columns; implemented by [`table!`](crate::table).
pub trait Set: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// The rows' type.
    type Row: Row;
    /// The columns.
    const COLUMNS: &'static [Column];

    /// Appends the columns' fields.
    fn put(&self, out: &mut BytesMut);
    /// Whether the row is of the set.
    fn contains(&self, row: &Self::Row) -> bool;
}

/// Declares a table: the row's type and its [`Row`].
///
/// ```
/// # use domain::{AccountId, OrganizationId, Timestamp};
/// projections::table! {
///     /// Somebody's membership.
///     pub struct Membership in "memberships" visible OrganizationOrAccount {
///         key {
///             /// Where.
///             organization_id: OrganizationId,
///             /// Who.
///             account_id: AccountId,
///         }
///         columns {
///             /// Since when.
///             joined_at: Timestamp,
///         }
///         indexes ["account_id, organization_id"]
///         sets {
///             /// All memberships of an account.
///             MembershipsOf { account_id: AccountId }
///         }
///     }
/// }
/// ```
#[macro_export]
macro_rules! table {
    (
        $(#[$doc:meta])*
        pub struct $row:ident in $name:literal visible $visible:ident $(($condition:literal))? {
            key { $($(#[$kdoc:meta])* $kname:ident: $ktype:ty,)+ }
            columns { $($(#[$cdoc:meta])* $cname:ident: $ctype:ty,)* }
            $(indexes [$($index:literal),* $(,)?])?
            $(sets { $($(#[$sdoc:meta])* $set:ident { $($sname:ident: $stype:ty),+ })+ })?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $row {
            $($(#[$kdoc])* pub $kname: $ktype,)+
            $($(#[$cdoc])* pub $cname: $ctype,)*
        }

        #[allow(unused_parens)]
        impl $crate::Row for $row {
            type Key = ($($ktype),+);
            const TABLE: &'static $crate::Table = &$crate::Table {
                name: $name,
                key: &[$($crate::table::column::<$ktype>(stringify!($kname))),+],
                columns: &[$($crate::table::column::<$ctype>(stringify!($cname))),*],
                visible: $crate::Visible::$visible $(($condition))?,
                indexes: &[$($($index),*)?],
                sets: &[$($(<$set as $crate::Set>::COLUMNS),+)?],
            };

            fn key(&self) -> Self::Key {
                ($(self.$kname.clone()),+)
            }

            fn put_key(key: &Self::Key, out: &mut $crate::table::BytesMut) {
                let ($($kname),+) = key;
                $($crate::table::put_field($kname, out);)+
            }

            fn put(&self, out: &mut $crate::table::BytesMut) {
                $($crate::table::put_field(&self.$kname, out);)+
                $($crate::table::put_field(&self.$cname, out);)*
            }

            fn take<'a>(
                next: &mut dyn FnMut() -> Option<&'a [u8]>,
            ) -> Result<Self, $crate::CellError> {
                Ok(Self {
                    $($kname: <$ktype as $crate::Cell>::read(next())?,)+
                    $($cname: <$ctype as $crate::Cell>::read(next())?,)*
                })
            }
        }

        $($(
            $(#[$sdoc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $set { $(#[doc = "Column."] pub $sname: $stype),+ }

            impl $crate::Set for $set {
                type Row = $row;
                const COLUMNS: &'static [$crate::Column] =
                    &[$($crate::table::column::<$stype>(stringify!($sname))),+];

                fn put(&self, out: &mut $crate::table::BytesMut) {
                    $($crate::table::put_field(&self.$sname, out);)+
                }

                fn contains(&self, row: &$row) -> bool {
                    $(self.$sname == row.$sname)&&+
                }
            }
        )+)?
    };
}

#[doc(hidden)]
pub const fn column<C: crate::Cell>(name: &'static str) -> Column {
    Column { name, sql: C::SQL, nullable: C::NULLABLE }
}

#[doc(hidden)]
pub fn put_field<C: crate::Cell>(cell: &C, out: &mut BytesMut) {
    crate::cell::put_field(cell, out);
}
