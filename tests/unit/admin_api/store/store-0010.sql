BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0010');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	object TEXT NOT NULL, 
	"before" TEXT, 
	"after" TEXT, 
	request_id TEXT, 
	mac TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,1795762634818934,'ana','create','lists/house',NULL,'{"enabled":true,"kind":"own","name":"house","origin":"api","rules":3}',NULL,'3e8c716db4e730391d6a00991880666d3c09e73c58b627cb0eac47e351ea27bd');
INSERT INTO "audit" VALUES(2,1795762634834688,'ana','create','groups/lab',NULL,'{"allow":[],"block":null,"client_names":["lab-1"],"description":"","exempt":true,"mode":"enforce","monitor":[],"monitor_until":null,"name":"lab","networks":["10.9.0.0/16"],"response":null,"schedule":null}',NULL,'db73025286a5013e69a7d760bcc98855f57136a73095a9cafb15f7948aaeb7d2');
INSERT INTO "audit" VALUES(3,1795762634845261,'ana','create','tokens/dashboard',NULL,'{"expires_at":null,"id":"f6bc45e3","name":"dashboard","owner":"Ana","role":"admin"}',NULL,'2c32948784cf7718d29af3a227fffb34f097e853690a104bab1ccda60a83de47');
INSERT INTO "audit" VALUES(4,1795762634855071,'ana','grant','exemptions/ex-67654b38a6',NULL,'{"expires_at":"2100-01-01T00:00:00+00:00","id":"ex-67654b38a6","owner":"Ana","reason":"a test","renewal":null,"scope":["openai"],"starts_at":"2026-11-27T06:57:14.848447+00:00","status":"active","subject":{"client":["10.0.0.1"]},"ticket":null}',NULL,'fc0ff69186cb4cb052d65e3c437dc38aa9fd2ec0074e9887ad402768030f3b2a');
INSERT INTO "audit" VALUES(5,1795762634857504,'ana','pause','pauses/pa-20a56751dc',NULL,'{"expires_at":"2100-01-01T00:00:00+00:00","group":"lab","id":"pa-20a56751dc","reason":"a test"}',NULL,'4f6034aaf87e3da85a5d52f4c1458fb664208097f6ffd8aa249a5adbc6febee2');
CREATE TABLE change_requests (
	id TEXT NOT NULL, 
	operation TEXT NOT NULL, 
	path TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	body BLOB, 
	body_octets BIGINT NOT NULL, 
	sent TEXT NOT NULL, 
	if_match TEXT, 
	opens TEXT NOT NULL, 
	changes TEXT NOT NULL, 
	effect TEXT NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	requested_by TEXT NOT NULL, 
	requested_owner TEXT NOT NULL, 
	requested_token VARCHAR(32) NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	decided_by TEXT, 
	decided_owner TEXT, 
	decided_at BIGINT, 
	note TEXT, 
	token_part TEXT, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_change_requests PRIMARY KEY (id)
);
CREATE TABLE counter_files (
	name TEXT NOT NULL, 
	cells BLOB NOT NULL, 
	CONSTRAINT pk_counter_files PRIMARY KEY (name)
);
CREATE TABLE documents (
	name TEXT NOT NULL, 
	body TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_documents PRIMARY KEY (name)
);
CREATE TABLE exemption_events (
	id INTEGER NOT NULL, 
	exemption_id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	actor TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	note TEXT, 
	CONSTRAINT pk_exemption_events PRIMARY KEY (id), 
	CONSTRAINT fk_exemption_events_exemption_id_exemptions FOREIGN KEY(exemption_id) REFERENCES exemptions (id) ON DELETE CASCADE
);
INSERT INTO "exemption_events" VALUES(1,'ex-67654b38a6',1795762634852558,'grant','ana','Ana','active',4102444800000000,'a test');
CREATE TABLE exemptions (
	id TEXT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	who TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	ticket TEXT, 
	status VARCHAR(32) NOT NULL, 
	requested_by TEXT NOT NULL, 
	requested_owner TEXT NOT NULL, 
	decided_by TEXT, 
	created_at BIGINT NOT NULL, 
	starts_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	from_approval_seconds BIGINT, 
	ended_at BIGINT, 
	renewal TEXT, 
	told_ending BOOLEAN DEFAULT 0 NOT NULL, 
	version BIGINT NOT NULL, owner_form TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_exemptions PRIMARY KEY (id)
);
INSERT INTO "exemptions" VALUES('ex-67654b38a6','client','["10.0.0.1"]','["openai"]','Ana','a test',NULL,'active','ana','Ana','ben',1795762634849703,1795762634848447,4102444800000000,NULL,NULL,NULL,0,1,'ana');
CREATE TABLE group_networks (
	network TEXT NOT NULL, 
	group_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	CONSTRAINT pk_group_networks PRIMARY KEY (network), 
	CONSTRAINT fk_group_networks_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE
);
INSERT INTO "group_networks" VALUES('10.9.0.0/16',2,0);
CREATE TABLE groups (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	exempt BOOLEAN NOT NULL, 
	mode VARCHAR(32) NOT NULL, 
	block TEXT, 
	allow TEXT NOT NULL, 
	response TEXT, 
	schedule TEXT, 
	origin VARCHAR(32) NOT NULL, 
	version BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, client_names TEXT DEFAULT '[]' NOT NULL, monitor TEXT DEFAULT '[]' NOT NULL, monitor_until BIGINT, 
	CONSTRAINT uq_groups_name UNIQUE (name)
);
INSERT INTO "groups" VALUES(1,'default','',0,'enforce','["ai","bypass","lists"]','[]',NULL,NULL,'bundled',1,1795762634704875,1795762634704875,'[]','[]',NULL);
INSERT INTO "groups" VALUES(2,'lab','',1,'enforce',NULL,'[]',NULL,NULL,'api',1,1795762634831074,1795762634831074,'["lab-1"]','[]',NULL);
CREATE TABLE lease_history (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	address TEXT NOT NULL, 
	identity TEXT NOT NULL, 
	"group" TEXT, 
	ends_at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	request_id TEXT, 
	CONSTRAINT pk_lease_history PRIMARY KEY (id)
);
INSERT INTO "lease_history" VALUES(1,1795762634858330,'set','10.9.0.5','eve','lab',4102444800000000,'ana',NULL);
CREATE TABLE leases (
	address TEXT NOT NULL, 
	identity TEXT NOT NULL, 
	"group" TEXT, 
	device TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (address)
);
INSERT INTO "leases" VALUES('10.9.0.5','eve','lab','d1','vpn',1795762634857515,1795762634857515,4102444800000000);
CREATE TABLE lists (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	origin VARCHAR(32) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	url TEXT, 
	format VARCHAR(32), 
	refresh_seconds INTEGER, 
	content TEXT, 
	rules BIGINT NOT NULL, 
	patterns INTEGER NOT NULL, 
	regexes INTEGER NOT NULL, 
	rules_revision BIGINT NOT NULL, 
	version BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	last_success_at BIGINT, 
	last_error TEXT, allow_private BOOLEAN DEFAULT 0 NOT NULL, sha256 TEXT, last_attempt_at BIGINT, fetched TEXT, report TEXT, 
	CONSTRAINT uq_lists_name UNIQUE (name)
);
INSERT INTO "lists" VALUES(1,'house','own','api',1,NULL,NULL,NULL,NULL,3,0,0,2,2,1795762634809545,1795762634816942,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE meta (
	id INTEGER NOT NULL, 
	store_id TEXT NOT NULL, 
	policy_revision BIGINT NOT NULL, audit_key_check TEXT, 
	CONSTRAINT pk_meta PRIMARY KEY (id)
);
INSERT INTO "meta" VALUES(1,'66dc93cb-bb63-4b95-b649-4854ddbe92f5',3,'6ee46d995467e074588333b83ef22d7081e8bc4b0b78df31ee3285d545fc249b');
CREATE TABLE pauses (
	id TEXT NOT NULL, 
	"group" TEXT, 
	reason TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_pauses PRIMARY KEY (id)
);
INSERT INTO "pauses" VALUES('pa-20a56751dc','lab','a test','ana',1795762634856240,4102444800000000);
CREATE TABLE policy_revisions (
	revision BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	request_id TEXT, 
	changes TEXT NOT NULL, 
	undo BLOB NOT NULL, 
	CONSTRAINT pk_policy_revisions PRIMARY KEY (revision)
);
INSERT INTO "policy_revisions" VALUES(2,1795762634824377,'ana',NULL,'["create lists/house"]',X'789C5DCBB10EC2300C04D09DCFB811A232B0F557A20E496BC0D4B5ABA4519110FF4E900A426CBEF33B0F8B37EA173808E7251FAF5632C16911710F90862834A05D52218791B5DEB055ABD730510DDB0096F8C25A8B30738DA90865B4A767B7F338D4E2E38288AD701E67566AE81EA65908DD3F8B62FDF866FB2648B62FDC3E34FC4E5F184B3FF6');
INSERT INTO "policy_revisions" VALUES(3,1795762634837586,'ana',NULL,'["create groups/lab"]',X'789C358ECD0E82400C84EF3EC69C57848B89BC0A310696AA2BA525FB134C8CEFEE82709C994EBF69A0DD8B6C84C1C36B9AC289DB0E4612B3F9A065D619757335E858ED807A0D60D991C49BB423851C23778E15F2554FC17A3745A7821AF929BD699C22EAE813198CDA53F649EEEA2D6131C445F57FC4266E49A2E31DB53072655D05A138AB1F5666551697A22CCA53755EC89EC2A41268EF05FBA43EF1A6BFD7C30F0FD64DC8');
CREATE TABLE removed_rules (
	list_id INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_removed_rules PRIMARY KEY (list_id, action, rule), 
	CONSTRAINT fk_removed_rules_list_id_lists FOREIGN KEY(list_id) REFERENCES lists (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE rules (
	list_id INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_rules PRIMARY KEY (list_id, action, rule), 
	CONSTRAINT fk_rules_list_id_lists FOREIGN KEY(list_id) REFERENCES lists (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "rules" VALUES(1,'allow','fine.example',2);
INSERT INTO "rules" VALUES(1,'block','*.also.example',2);
INSERT INTO "rules" VALUES(1,'block','blocked.example',2);
CREATE TABLE stats_clients (
	period_seconds INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	sketch BLOB NOT NULL, 
	CONSTRAINT pk_stats_clients PRIMARY KEY (period_seconds, at)
)
 WITHOUT ROWID

;
CREATE TABLE stats_rollup (
	period_seconds INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	dimension TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	n BIGINT NOT NULL, 
	CONSTRAINT pk_stats_rollup PRIMARY KEY (period_seconds, at, dimension, "key", kind)
)
 WITHOUT ROWID

;
CREATE TABLE store_owner (
	id INTEGER NOT NULL, 
	holder TEXT NOT NULL, 
	told TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	beat BIGINT NOT NULL, 
	CONSTRAINT pk_store_owner PRIMARY KEY (id)
);
CREATE TABLE tokens (
	id VARCHAR(32) NOT NULL, 
	name TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	role VARCHAR(32) NOT NULL, 
	digest TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	last_used_at BIGINT, networks TEXT, groups TEXT, 
	CONSTRAINT pk_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_tokens_name UNIQUE (name)
);
INSERT INTO "tokens" VALUES('f6bc45e3','dashboard','Ana','admin','4090f63179ca4dd5ec889e144ed2f7a7fff0cf80cc2a3837f1d828a585404b93',1795762634843877,NULL,NULL,NULL,NULL);
CREATE TABLE unlisted (
	domain TEXT NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	score INTEGER NOT NULL, 
	evidence TEXT NOT NULL, 
	hosts TEXT NOT NULL, 
	queries BIGINT NOT NULL, 
	clients INTEGER NOT NULL, 
	days TEXT NOT NULL, 
	first_at BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	rule TEXT, 
	list TEXT, 
	decided_by TEXT, 
	decided_at BIGINT, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_unlisted PRIMARY KEY (domain)
);
CREATE TABLE webhook_messages (
	id INTEGER NOT NULL, 
	hook TEXT NOT NULL, 
	message_id TEXT NOT NULL, 
	body TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	next_at BIGINT NOT NULL, 
	CONSTRAINT pk_webhook_messages PRIMARY KEY (id)
);
CREATE INDEX ix_rules_revision ON rules (revision);
CREATE INDEX ix_removed_rules_revision ON removed_rules (revision);
CREATE INDEX ix_group_networks_group_id ON group_networks (group_id);
CREATE INDEX ix_audit_object_id ON audit (object, id);
CREATE INDEX ix_audit_actor_id ON audit (actor, id);
CREATE INDEX ix_exemptions_status ON exemptions (status);
CREATE INDEX ix_exemptions_expires_at ON exemptions (expires_at);
CREATE INDEX ix_exemption_events_exemption_id ON exemption_events (exemption_id);
CREATE INDEX ix_leases_identity ON leases (identity);
CREATE INDEX ix_leases_device ON leases (device);
CREATE INDEX ix_leases_ends_at ON leases (ends_at);
CREATE INDEX ix_lease_history_identity_id ON lease_history (identity, id);
CREATE INDEX ix_lease_history_at ON lease_history (at);
CREATE INDEX ix_lease_history_address_id ON lease_history (address, id);
CREATE INDEX ix_webhook_messages_hook_next_at ON webhook_messages (hook, next_at);
CREATE INDEX ix_exemptions_owner_form ON exemptions (owner_form);
CREATE INDEX ix_change_requests_status ON change_requests (status);
CREATE INDEX ix_unlisted_status_score ON unlisted (status, score);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('groups',2);
INSERT INTO "sqlite_sequence" VALUES('lists',1);
COMMIT;
