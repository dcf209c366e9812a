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
CREATE INDEX "operational_events_due" ON "operational_events" USING btree ("shard_id","due_at") WHERE due_at is not null;