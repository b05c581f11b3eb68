/* The registers of an STM32F405 that this port uses, after ST's RM0090; a number behind a name is
   its section. Every access goes through the four functions, so that a test can put a model in the silicon's
   place (tests/core/stm32_model.py). */
#ifndef STM32_REGISTERS_H
#define STM32_REGISTERS_H

#include <stdint.h>

/* RCC, 7.3 */
#define RCC_CR 0x40023800u
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_CSSON (1u << 19)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR 0x40023804u
#define RCC_PLLCFGR_M(m) ((uint32_t)(m) << 0)
#define RCC_PLLCFGR_N(n) ((uint32_t)(n) << 6)
#define RCC_PLLCFGR_P_2 (0u << 16)
#define RCC_PLLCFGR_HSE (1u << 22)
#define RCC_PLLCFGR_Q(q) ((uint32_t)(q) << 24)
#define RCC_CFGR 0x40023808u
#define RCC_CFGR_SW_HSI (0u << 0)
#define RCC_CFGR_SW_PLL (2u << 0)
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_HSI (0u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_CFGR_PPRE1_4 (5u << 10)
#define RCC_CFGR_PPRE2_2 (4u << 13)
#define RCC_APB2RSTR 0x40023824u
#define RCC_APB2RSTR_ADC (1u << 8)
#define RCC_AHB1ENR 0x40023830u
#define RCC_AHB1ENR_GPIOA (1u << 0)
#define RCC_AHB1ENR_GPIOB (1u << 1)
#define RCC_AHB1ENR_DMA2 (1u << 22)
#define RCC_APB1ENR 0x40023840u
#define RCC_APB1ENR_TIM2 (1u << 0)
#define RCC_APB1ENR_TIM5 (1u << 3)
#define RCC_APB1ENR_PWR (1u << 28)
#define RCC_APB2ENR 0x40023844u
#define RCC_APB2ENR_USART1 (1u << 4)
#define RCC_APB2ENR_ADC1 (1u << 8)

/* Flash interface, 3.9, and power, 5.4 */
#define FLASH_ACR 0x40023C00u
#define FLASH_ACR_LATENCY (7u << 0)
#define FLASH_ACR_LATENCY_5 (5u << 0)
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define FLASH_ACR_ICRST (1u << 11)
#define FLASH_ACR_DCRST (1u << 12)
#define FLASH_KEYR 0x40023C04u
#define FLASH_SR 0x40023C0Cu
#define FLASH_SR_EOP (1u << 0)
#define FLASH_SR_ERRORS (1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7) /* each is cleared by writing 1 */
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR 0x40023C10u
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_SER (1u << 1)
#define FLASH_CR_SNB(sector) ((uint32_t)(sector) << 3)
#define FLASH_CR_PSIZE_32 (2u << 8)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)
#define PWR_CR 0x40007000u
#define PWR_CR_VOS (1u << 14)

/* GPIO, 8.4: two bits a pin in MODER and PUPDR, four in AFRL */
#define GPIOA_MODER 0x40020000u
#define GPIOB_MODER 0x40020400u
#define GPIOB_PUPDR 0x4002040Cu
#define GPIOB_AFRL 0x40020420u
#define GPIO_MODE_ALTERNATE 2u
#define GPIO_MODE_ANALOG 3u
#define GPIO_PULL_UP 1u
#define GPIO_AF_USART1 7u

/* USART, 30.6 */
#define USART1_SR 0x40011000u
#define USART_SR_ORE (1u << 3)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TXE (1u << 7)
#define USART1_DR 0x40011004u
#define USART1_BRR 0x40011008u
#define USART1_CR1 0x4001100Cu
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_CR1_TXEIE (1u << 7)
#define USART_CR1_UE (1u << 13)

/* TIM2 and TIM5, the ones of 32 bits, 18.4 */
#define TIM2_CR1 0x40000000u
#define TIM2_CR2 0x40000004u
#define TIM2_DIER 0x4000000Cu
#define TIM2_SR 0x40000010u
#define TIM2_EGR 0x40000014u
#define TIM2_PSC 0x40000028u
#define TIM2_ARR 0x4000002Cu
#define TIM2_CCR1 0x40000034u
#define TIM5_CR1 0x40000C00u
#define TIM5_EGR 0x40000C14u
#define TIM5_CNT 0x40000C24u
#define TIM5_PSC 0x40000C28u
#define TIM5_ARR 0x40000C2Cu
#define TIM_CR1_CEN (1u << 0)
#define TIM_CR2_TRGO_UPDATE (2u << 4)
#define TIM_DIER_CC1IE (1u << 1)
#define TIM_SR_CC1IF (1u << 1)
#define TIM_EGR_UG (1u << 0)

/* ADC1, 13.13 */
#define ADC1_SR 0x40012000u
#define ADC_SR_OVR (1u << 5)
#define ADC1_CR1 0x40012004u
#define ADC_CR1_SCAN (1u << 8)
#define ADC1_CR2 0x40012008u
#define ADC_CR2_ADON (1u << 0)
#define ADC_CR2_DMA (1u << 8)
#define ADC_CR2_DDS (1u << 9)
#define ADC_CR2_EXTSEL_TIM2_TRGO (6u << 24)
#define ADC_CR2_EXTEN_RISING (1u << 28)
#define ADC1_SMPR2 0x40012010u
#define ADC_SMPR_84 4u /* cycles of sampling; three bits a channel */
#define ADC1_SQR1 0x4001202Cu
#define ADC_SQR1_LENGTH(n) (((uint32_t)(n)-1u) << 20)
#define ADC1_SQR2 0x40012030u
#define ADC1_SQR3 0x40012034u
#define ADC1_DR 0x4001204Cu
#define ADC_CCR 0x40012304u
#define ADC_CCR_PRESCALER_4 (1u << 16)

/* DMA2, stream 0, whose channel 0 is ADC1's: 10.5 */
#define DMA2_LISR 0x40026400u
#define DMA_LISR_TEIF0 (1u << 3)
#define DMA2_LIFCR 0x40026408u
#define DMA_LIFCR_STREAM0 0x3Du
#define DMA2_S0CR 0x40026410u
#define DMA_CR_EN (1u << 0)
#define DMA_CR_CIRC (1u << 8)
#define DMA_CR_MINC (1u << 10)
#define DMA_CR_PERIPHERAL_16 (1u << 11)
#define DMA_CR_MEMORY_16 (1u << 13)
#define DMA_CR_PRIORITY_HIGH (2u << 16)
#define DMA2_S0NDTR 0x40026414u
#define DMA2_S0PAR 0x40026418u
#define DMA2_S0M0AR 0x4002641Cu

/* System control block, PM0214 4.4 */
#define SCB_VTOR 0xE000ED08u

#ifdef STM32_MODEL

uint32_t stm32_read(uint32_t address);
void stm32_write(uint32_t address, uint32_t value);
static inline void stm32_barrier(void) {}

#else

static inline uint32_t stm32_read(uint32_t address) {
    return *(volatile uint32_t *)address;
}

static inline void stm32_write(uint32_t address, uint32_t value) {
    *(volatile uint32_t *)address = value;
}

/* What was written before is there before anything after it is read: memory and registers keep no order among
   each other. */
static inline void stm32_barrier(void) {
    __asm volatile("dsb" ::: "memory");
}

#endif

static inline void stm32_set(uint32_t address, uint32_t bits) {
    stm32_write(address, stm32_read(address) | bits);
}

static inline void stm32_clear(uint32_t address, uint32_t bits) {
    stm32_write(address, stm32_read(address) & ~bits);
}

#endif
