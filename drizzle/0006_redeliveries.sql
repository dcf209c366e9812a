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
CREATE INDEX "redeliveries_running" ON "redeliveries" USING btree ("shard_id","id") WHERE state = 'running';--> statement-breakpoint
CREATE INDEX "redeliveries_by_project" ON "redeliveries" USING btree ("project_id","id");