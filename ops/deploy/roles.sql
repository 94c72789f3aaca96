-- The roles of an installation. Once for a cluster, by a superuser of PostgreSQL 15 or newer; database.sql comes next:
--
--   cat roles.sql database.sql | psql -v ON_ERROR_STOP=1 postgres
--
-- Other names than these: -v login=... -v owner=... -v database=...
--
-- envoi_owner      owns the database and what is in it. Logs in for `envoi migrate` and `envoi log adopt`.
-- envoi            logs in for servers and for the other verbs. Owns nothing and may do nothing by itself, but assume:
-- envoi_app        appends to the log (it cannot change or delete there), keeps keys, reservations and checkpoints of reactions
-- envoi_projector  makes, fills and drops the read models, in schemas of its own; sees nothing of log and keys
-- envoi_reader     queries the read models, under row-level security
--
-- What each of the three may do to what is made by `envoi migrate` is granted there, beside the tables.

\if :{?login} \else \set login envoi \endif
\if :{?owner} \else \set owner envoi_owner \endif

SELECT format('CREATE ROLE %I NOLOGIN', name)
  FROM unnest(ARRAY['envoi_app', 'envoi_projector', 'envoi_reader']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

CREATE ROLE :"login" LOGIN NOINHERIT;
GRANT envoi_app, envoi_projector, envoi_reader TO :"login";

CREATE ROLE :"owner" LOGIN;
-- It hands the bookkeeping of the read models over to their owner.
GRANT envoi_projector TO :"owner";
-- A server that hangs is relieved of what it leads by a function of the owner's, which ends its connection.
GRANT :"login" TO :"owner";
