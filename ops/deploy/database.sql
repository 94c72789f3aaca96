-- The database of an installation, empty: its owner migrates it, the login of servers may connect, and nobody else.

\if :{?login} \else \set login envoi \endif
\if :{?owner} \else \set owner envoi_owner \endif
\if :{?database} \else \set database envoi \endif

CREATE DATABASE :"database" OWNER :"owner" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"login";
