-- The login with which KEDA asks for the age of the queue. It sees three columns of one table and nothing else.
-- As the owner of the schema (or a superuser), once, after the first `affidavit migrate`:
--   psql "$AFFIDAVIT_DATABASE_OWNER_URL" -v password="'...'" -f scaler.sql
CREATE ROLE affidavit_scaler LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :password;
GRANT SELECT (status, created_at, run_after) ON job_tasks TO affidavit_scaler;
CREATE POLICY of_scaler ON job_tasks FOR SELECT TO affidavit_scaler USING (true);
