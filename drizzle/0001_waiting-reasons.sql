CREATE TABLE "inspections" (
	"id" uuid PRIMARY KEY NOT NULL,
	"shard_id" smallint NOT NULL,
	"job_row_id" uuid NOT NULL,
	"asked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"answer" text
);
--> statement-breakpoint
CREATE TABLE "lane_states" (
	"project_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"node_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"hold" text,
	"paused_until" timestamp (3) with time zone,
	"breaker" text NOT NULL,
	"probe_at" timestamp (3) with time zone,
	"error_code" text,
	"error_message" text,
	"erred_at" timestamp (3) with time zone,
	CONSTRAINT "lane_states_project_id_kind_name_node_id_pk" PRIMARY KEY("project_id","kind","name","node_id")
);
--> statement-breakpoint
CREATE TABLE "project_stats" (
	"project_id" uuid PRIMARY KEY NOT NULL,
	"counts" jsonb NOT NULL,
	"counted_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "last_outcome" text;--> statement-breakpoint
CREATE INDEX "lane_states_by_node" ON "lane_states" USING btree ("node_id");--> statement-breakpoint
CREATE INDEX "events_by_project" ON "events" USING btree ("project_id","id");