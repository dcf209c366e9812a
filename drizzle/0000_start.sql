CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"name" text NOT NULL,
	"key_hash" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
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
	"deleted_at" timestamp (3) with time zone
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
	"lease_expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "projects" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "projects_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "shards" (
	"shard_id" smallint PRIMARY KEY NOT NULL,
	"owner_id" uuid
);
--> statement-breakpoint
CREATE TABLE "signing_secrets" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"secret" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone
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
	CONSTRAINT "subscriptions_shard_id_id_pk" PRIMARY KEY("shard_id","id")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "connections_by_name" ON "connections" USING btree ("project_id","provider","name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "connections_by_update" ON "connections" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "deliveries_by_subscription" ON "deliveries" USING btree ("shard_id","subscription_id");--> statement-breakpoint
CREATE INDEX "deliveries_due" ON "deliveries" USING btree ("shard_id","next_attempt_at") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "deliveries_by_project" ON "deliveries" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_age" ON "idempotency_keys" USING btree ("shard_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_by_upstream_id" ON "jobs" USING btree ("shard_id","connection_id","job_id","params_digest");--> statement-breakpoint
CREATE INDEX "jobs_live" ON "jobs" USING btree ("shard_id","id") WHERE status in ('pending', 'processing');--> statement-breakpoint
CREATE INDEX "signing_secrets_by_project" ON "signing_secrets" USING btree ("project_id");--> statement-breakpoint
CREATE INDEX "subscriptions_by_job" ON "subscriptions" USING btree ("shard_id","job_row_id");--> statement-breakpoint
CREATE INDEX "subscriptions_by_project" ON "subscriptions" USING btree ("project_id","id");