CREATE TABLE "audit_log" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"key_id" uuid,
	"command" text,
	"address" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "fan_outs" (
	"shard_id" smallint NOT NULL,
	"job_row_id" uuid NOT NULL,
	"event_type" text NOT NULL,
	"project_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"event_bit" smallint NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"position_id" uuid NOT NULL,
	"began_at_id" uuid NOT NULL,
	"ends_at_id" uuid,
	CONSTRAINT "fan_outs_shard_id_job_row_id_event_type_pk" PRIMARY KEY("shard_id","job_row_id","event_type")
);
--> statement-breakpoint
CREATE TABLE "operational_events" (
	"shard_id" smallint NOT NULL,
	"project_id" uuid NOT NULL,
	"subject" text NOT NULL,
	"id" uuid NOT NULL,
	"type" text NOT NULL,
	"data" text NOT NULL,
	"occurrences" integer NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"due_at" timestamp (3) with time zone,
	"attempt_count" integer DEFAULT 0 NOT NULL,
	"told_at" timestamp (3) with time zone,
	CONSTRAINT "operational_events_shard_id_project_id_subject_pk" PRIMARY KEY("shard_id","project_id","subject")
);
--> statement-breakpoint
CREATE TABLE "project_usage" (
	"project_id" uuid PRIMARY KEY NOT NULL,
	"live_subscriptions" bigint NOT NULL,
	"owed_deliveries" bigint NOT NULL,
	"stored_bytes" bigint NOT NULL,
	"counted_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "projects" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"live_jobs_allowed" integer,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"limits" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "projects_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "provider_versions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"definition" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "provider_versions_by_name" UNIQUE NULLS NOT DISTINCT("project_id","name","version")
);
--> statement-breakpoint
CREATE TABLE "redeliveries" (
	"shard_id" smallint NOT NULL,
	"id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"state" text NOT NULL,
	"is_dry_run" boolean NOT NULL,
	"status" text NOT NULL,
	"event_type" text,
	"callback_origin" text,
	"created_after" timestamp (3) with time zone,
	"created_before" timestamp (3) with time zone NOT NULL,
	"per_second" double precision NOT NULL,
	"position_id" uuid NOT NULL,
	"matched" integer DEFAULT 0 NOT NULL,
	"redelivered" integer DEFAULT 0 NOT NULL,
	"skipped" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "redeliveries_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE TABLE "fetched_results" (
	"shard_id" smallint NOT NULL,
	"job_row_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"note" text NOT NULL,
	"fetched_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "fetched_results_shard_id_job_row_id_pk" PRIMARY KEY("shard_id","job_row_id")
);
--> statement-breakpoint
CREATE TABLE "result_parts" (
	"shard_id" smallint NOT NULL,
	"event_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"bytes" "bytea" NOT NULL,
	CONSTRAINT "result_parts_shard_id_event_id_number_pk" PRIMARY KEY("shard_id","event_id","number")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"name" text NOT NULL,
	"key_hash" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"is_replaced" boolean DEFAULT false NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "api_keys_key_hash_unique" UNIQUE("key_hash")
);
--> statement-breakpoint
CREATE TABLE "attempts" (
	"shard_id" smallint NOT NULL,
	"delivery_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"duration_ms" integer NOT NULL,
	"http_status" smallint,
	"error_code" text,
	"error_message" text,
	"response_excerpt" text,
	CONSTRAINT "attempts_shard_id_delivery_id_number_pk" PRIMARY KEY("shard_id","delivery_id","number")
);
--> statement-breakpoint
CREATE TABLE "connections" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"name" text NOT NULL,
	"base_url" text,
	"credential" text,
	"credential_version" integer DEFAULT 1 NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"state" text DEFAULT 'active' NOT NULL,
	"paused_reason" text,
	"paused_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"environment" text,
	"agreed_hosts" text[],
	"probe_at" timestamp (3) with time zone,
	"probes" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"shard_id" smallint NOT NULL,
	"id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"subscription_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"event_type" text NOT NULL,
	"callback_origin" text NOT NULL,
	"status" text NOT NULL,
	"attempt_count" integer DEFAULT 0 NOT NULL,
	"attempts_before" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "deliveries_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE TABLE "events" (
	"shard_id" smallint NOT NULL,
	"id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"job_row_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"job_id" text NOT NULL,
	"type" text NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"upstream_created_at" text,
	"upstream_updated_at" text,
	"error" text,
	"result" text,
	"result_bytes" integer DEFAULT 0 NOT NULL,
	"progress" text,
	"result_fetch" text,
	CONSTRAINT "events_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"shard_id" smallint NOT NULL,
	"project_id" uuid NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"subscription_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_shard_id_project_id_key_pk" PRIMARY KEY("shard_id","project_id","key")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"shard_id" smallint NOT NULL,
	"id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"connection_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"job_id" text NOT NULL,
	"params" text DEFAULT '{}' NOT NULL,
	"params_digest" text DEFAULT '' NOT NULL,
	"status" text NOT NULL,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"deadline_at" timestamp (3) with time zone NOT NULL,
	"wanted_events" smallint NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"last_event_id" uuid,
	"seen" boolean DEFAULT false NOT NULL,
	"poll_count" integer DEFAULT 0 NOT NULL,
	"last_polled_at" timestamp (3) with time zone,
	"last_error" text,
	"progress" text,
	"processing_event_id" uuid,
	"provider_version_id" uuid,
	"subscription_count" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "jobs_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE TABLE "mailbox" (
	"shard_id" smallint NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"subject_id" uuid NOT NULL,
	CONSTRAINT "mailbox_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"address" text NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"lease_expires_at" timestamp (3) with time zone NOT NULL,
	"live_jobs" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"host" text DEFAULT '' NOT NULL,
	"machine" text,
	"pid" integer DEFAULT 0 NOT NULL,
	"pid_start" text,
	"renewed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"renewals" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "shards" (
	"shard_id" smallint PRIMARY KEY NOT NULL,
	"owner_id" uuid,
	"released_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "subscriptions" (
	"shard_id" smallint NOT NULL,
	"id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"job_row_id" uuid NOT NULL,
	"callback_url" text NOT NULL,
	"callback_origin" text NOT NULL,
	"events" smallint NOT NULL,
	"payload" text NOT NULL,
	"metadata" text NOT NULL,
	"headers" text,
	"secret" text,
	"closed_as" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"retry_schedule" text,
	"signatures" smallint,
	"trace" text,
	CONSTRAINT "subscriptions_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE TABLE "signing_secrets" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"secret" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"scheme" text DEFAULT 'v1' NOT NULL,
	"public_key" text,
	"from_environment" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
CREATE INDEX "audit_log_by_project" ON "audit_log" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "audit_log_by_time" ON "audit_log" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "operational_events_due" ON "operational_events" USING btree ("shard_id","due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "projects_by_update" ON "projects" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "provider_versions_by_update" ON "provider_versions" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "redeliveries_running" ON "redeliveries" USING btree ("shard_id","id") WHERE state = 'running';--> statement-breakpoint
CREATE INDEX "redeliveries_by_project" ON "redeliveries" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "api_keys_by_update" ON "api_keys" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "api_keys_by_revocation" ON "api_keys" USING btree ("revoked_at") WHERE revoked_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "connections_by_name" ON "connections" USING btree ("project_id","provider","name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "connections_by_update" ON "connections" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "deliveries_by_subscription" ON "deliveries" USING btree ("shard_id","subscription_id");--> statement-breakpoint
CREATE INDEX "deliveries_due" ON "deliveries" USING btree ("next_attempt_at","id") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "deliveries_due_by_origin" ON "deliveries" USING btree ("project_id","callback_origin","next_attempt_at","id") WHERE next_attempt_at is not null;--> statement-breakpoint
CREATE INDEX "deliveries_by_project" ON "deliveries" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_age" ON "idempotency_keys" USING btree ("shard_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_by_upstream_id" ON "jobs" USING btree ("shard_id","connection_id","job_id","params_digest");--> statement-breakpoint
CREATE INDEX "jobs_live" ON "jobs" USING btree ("shard_id","id") WHERE status in ('pending', 'processing');--> statement-breakpoint
CREATE INDEX "subscriptions_by_job" ON "subscriptions" USING btree ("shard_id","job_row_id","id");--> statement-breakpoint
CREATE INDEX "subscriptions_by_project" ON "subscriptions" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "signing_secrets_by_project" ON "signing_secrets" USING btree ("project_id");
--> statement-breakpoint
-- From here on hand-written: the schema in src/store/schema has no words for it.
--
-- One row per shard, never removed: claiming a shard is an update, so it can be a compare-and-set.
INSERT INTO "shards" ("shard_id") SELECT generate_series(0, 255) ON CONFLICT DO NOTHING;
--> statement-breakpoint
-- Free space on the page for the one or two updates that these rows get, so that they stay in place.
ALTER TABLE "jobs" SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
ALTER TABLE "deliveries" SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
-- Emptied all the time: vacuum by count, not by share of a table that is usually empty.
ALTER TABLE "mailbox" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
