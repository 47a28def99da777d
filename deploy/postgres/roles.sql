-- Who may do what in the database of the service. Once, as an administrator, in that database, before `synthetics migrate`:
--
--   psql --dbname synthetics --file deploy/postgres/roles.sql
--   ALTER ROLE synthetics PASSWORD '…';  ALTER ROLE synthetics_api PASSWORD '…';  ALTER ROLE synthetics_read PASSWORD '…';
--
-- and after every migration, as the role synthetics: deploy/postgres/grants.sql. It may be run again.
--
--   synthetics       workers and migrations: owns the tables, because it makes and drops the partitions of months
--   synthetics_api   `serve --role api`: reads everything, writes what acting needs, drops and deletes nothing
--   synthetics_read  people and Grafana: reads, but for the tokens
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['synthetics', 'synthetics_api', 'synthetics_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I', name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT', name
        );
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('ALTER ROLE synthetics_read IN DATABASE %I SET default_transaction_read_only = on', current_database());
    EXECUTE format('ALTER ROLE synthetics_read IN DATABASE %I SET statement_timeout = %L', current_database(), '30s');
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO synthetics;
