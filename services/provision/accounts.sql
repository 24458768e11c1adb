-- Accounts and what they may do, as MySQL keeps it. GRANT and REVOKE are made in privileges.py.

-- name: account
-- 1 when the account exists.
SELECT COUNT(*) FROM mysql.user WHERE User = :user AND Host = '%';

-- name: create_account
-- Makes it, without any right.
CREATE USER IF NOT EXISTS :user@'%' IDENTIFIED BY :password;

-- name: change_password
-- Sessions that are open stay open.
ALTER USER :user@'%' IDENTIFIED BY :password;

-- name: drop_account
-- Sessions that are open stay open.
DROP USER IF EXISTS :user@'%';

-- name: privileges
-- Every privilege of the account, from the server down to columns. USAGE means none.
SELECT '' AS database_name, '' AS table_name, '' AS column_name, privilege_type AS action, is_grantable
FROM information_schema.user_privileges WHERE grantee = :grantee AND privilege_type != 'USAGE'
UNION ALL
SELECT table_schema, '', '', privilege_type, is_grantable
FROM information_schema.schema_privileges WHERE grantee = :grantee
UNION ALL
SELECT table_schema, table_name, '', privilege_type, is_grantable
FROM information_schema.table_privileges WHERE grantee = :grantee
UNION ALL
SELECT table_schema, table_name, column_name, privilege_type, is_grantable
FROM information_schema.column_privileges WHERE grantee = :grantee;

-- name: more_than_privileges
-- Roles, routines and proxies that the account was given; it needs none.
SELECT CONCAT(FROM_USER, '@', FROM_HOST) FROM mysql.role_edges WHERE TO_USER = :user AND TO_HOST = '%'
UNION ALL
SELECT CONCAT(Routine_type, ' ', Db, '.', Routine_name) FROM mysql.procs_priv WHERE User = :user AND Host = '%'
UNION ALL
SELECT CONCAT('PROXY ', Proxied_user, '@', Proxied_host) FROM mysql.proxies_priv WHERE User = :user AND Host = '%';
