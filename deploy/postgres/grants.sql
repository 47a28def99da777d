-- What the roles of roles.sql may do with the tables. As the role synthetics, after every migration; it may be run again.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, synthetics_api, synthetics_read;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO synthetics_api, synthetics_read;
-- Hashes alone, and still nobody's business.
REVOKE SELECT ON tokens FROM synthetics_read;

-- Acknowledging and notes, maintenance, asking for a run, a new normal; and when a token was last used.
GRANT INSERT ON runs, transitions, maintenance TO synthetics_api;
GRANT UPDATE ON runs, incidents, maintenance, series, tokens TO synthetics_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO synthetics_api;
