ALTER TABLE "signing_secrets" ADD COLUMN "scheme" text DEFAULT 'v1' NOT NULL;--> statement-breakpoint
ALTER TABLE "signing_secrets" ADD COLUMN "public_key" text;--> statement-breakpoint
ALTER TABLE "signing_secrets" ADD COLUMN "from_environment" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "subscriptions" ADD COLUMN "retry_schedule" text;--> statement-breakpoint
ALTER TABLE "subscriptions" ADD COLUMN "signatures" smallint;