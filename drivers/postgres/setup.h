/* The room of PostgreSQL: start-up only. */
#ifndef REEF_POSTGRES_SETUP_H
#define REEF_POSTGRES_SETUP_H

void reef_postgres_setup(void);

#endif
