CREATE TABLE "project_minutes" (
	"project_id" uuid NOT NULL,
	"minute" timestamp (3) with time zone NOT NULL,
	"node_id" uuid NOT NULL,
	"endings" integer NOT NULL,
	"completed" integer NOT NULL,
	"delivered" integer NOT NULL,
	"failed_attempts" integer NOT NULL,
	"exhausted" integer NOT NULL,
	"gone" integer NOT NULL,
	"took" integer[] NOT NULL,
	CONSTRAINT "project_minutes_project_id_minute_node_id_pk" PRIMARY KEY("project_id","minute","node_id")
);
--> statement-breakpoint
CREATE INDEX "project_minutes_by_minute" ON "project_minutes" USING btree ("minute");